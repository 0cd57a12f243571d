(** Of the laws by which (a) is (b), floats lack associativity: so the two may differ there. (That -0 + 0 is +0
    no sum notices that starts at +0.) Floats as Coq's standard library specifies them, by no axiom. *)
From Coq Require Import ZArith SpecFloat.
From mathcomp Require Import all_ssreflect.
From triform Require Import Forms.

Definition add := SFadd 53 1024.
Definition mul := SFmul 53 1024.
Definition zero := S754_zero false.
(** 2^e. *)
Definition power e := SFldexp 53 1024 (S754_finite false (2 ^ 52) (- 52)) e.

Theorem float_addition_is_not_associative :
  add (add (power 0) (power (- 53))) (power (- 53)) <> add (power 0) (add (power (- 53)) (power (- 53))).
Proof. by vm_compute. Qed.

(** Two paths of two channels; three channels are 1 or 2^-53. (b) loses what (a) has added up first. *)
Definition pixel : geometry unit unit := Geometry 1 (fun _ _ => Some tt).
Definition one_of_each : kernel spec_float := fun o c t => if o == c then power 0 else zero.
Definition in_groups : kernel spec_float := fun o c t => if o %% 2 == c then power 0 else zero.
Definition ones : kernel spec_float := fun o c t => power 0.
Definition x : tensor spec_float unit := fun c _ => nth zero [:: power 0; zero; power (- 53); power (- 53)] c.

Theorem forms_a_and_b_differ_in_floats :
  aggregated mul add zero 2 2 4 pixel pixel pixel one_of_each in_groups ones (fun _ y => y) (fun _ y => y) x 0 tt
  <> early_concat mul add zero 2 2 4 pixel pixel pixel one_of_each in_groups ones (fun _ y => y) (fun _ y => y) x 0 tt.
Proof. by vm_compute. Qed.
