(** What looks the same and is not: each refuted by numbers, over the integers. The names are those of
    [triform refute]. *)
From Coq Require Import ZArith.
From mathcomp Require Import all_ssreflect.
From triform Require Import Forms.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.

(** Three paths of two channels, six channels in, maps of one pixel, kernels of one tap. *)
Definition C := 3. Definition d := 2. Definition c_in := 6.
Definition pixel : geometry unit unit := Geometry 1 (fun _ _ => Some tt).
Definition weight seed : kernel Z := fun o c t => Z.of_nat ((o * 5 + c * 3 + o * c + seed) %% 7).
Definition x : tensor Z unit := fun c _ => Z.of_nat (c * c + 1).
Definition reduce := weight 1. Definition transform := weight 2. Definition expand := weight 4.
Definition same P (i : nat) (y : tensor Z P) := y.

Notation conv := (conv Z.mul Z.add 0%Z).
Notation merge := (merge Z.add 0%Z).
Definition right := grouped Z.mul Z.add 0%Z C d c_in pixel pixel pixel reduce transform expand
  (@same unit) (@same unit) x 0 tt.

(** The block, from what comes out of each path's second layer on, and from what comes out of the first. *)
Definition from_transformed (y : nat -> tensor Z unit) :=
  conv pixel (C * d) expand (concatenate d y) 0 tt.
Definition from_reduced (y : nat -> tensor Z unit) :=
  from_transformed (fun i => conv pixel d (path d transform i) (y i)).
Definition reduced i := conv pixel c_in (path d reduce i) x.
Definition transformed i := conv pixel d (path d transform i) (reduced i).

(** The same as the sum of the first [paths] of them, [after] each. *)
Definition from_paths paths after :=
  merge paths (fun i => after (conv pixel d (fun o => path d (expand o) i) (transformed i) 0 tt)).

(** The frames are right, a mere scale in each path too; so it is the mistakes that are refuted. *)
Example frame : from_reduced reduced = right /\ from_transformed transformed = right /\ from_paths C id = right /\
  from_paths C (Z.mul 3) = (3 * right)%Z.
Proof. by vm_compute. Qed.

(** A path is dropped: the sum over C - 1 of them. *)
Theorem last_path_dropped : from_paths C.-1 id <> right.
Proof. by vm_compute. Qed.
(** The concatenation is reversed. *)
Theorem concatenated_in_reverse : from_transformed (fun i => transformed (C.-1 - i)) <> right.
Proof. by vm_compute. Qed.
(** The groups are interleaved: path i reads channels i, i + C, ... of all. *)
Theorem groups_interleaved :
  from_reduced (fun i j => concatenate d reduced (j * C + i)) <> right.
Proof. by vm_compute. Qed.
(** The input is split before the first 1x1: path i reads its share of it. *)
Theorem input_split : from_reduced (fun i =>
  conv pixel (c_in %/ C) (fun j => path (c_in %/ C) (path d reduce i j) i) (path (c_in %/ C) x i)) <> right.
Proof. by vm_compute. Qed.
(** One filter is shared by all paths. *)
Theorem shared_3x3 :
  from_transformed (fun i => conv pixel d (path d transform 0) (reduced i)) <> right.
Proof. by vm_compute. Qed.
(** Each path's 3x3 is the next path's. *)
Theorem next_path_3x3 :
  from_transformed (fun i => conv pixel d (path d transform ((i + 1) %% C)) (reduced i)) <> right.
Proof. by vm_compute. Qed.
(** The last batch norm is inside each path, so its shift is added C times. *)
Definition norm z := (3 * z + 1)%Z.
Theorem norm_in_each_path : from_paths C norm <> norm right.
Proof. by vm_compute. Qed.
