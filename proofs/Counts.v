(** The counts of the paper's Table 1, "about 70k". They are convolutions over numbers that only count: every
    product is one use of one weight at one pixel. *)
From Coq Require Import NArith.
From mathcomp Require Import all_ssreflect.
From triform Require Import Forms.

Definition seen taps : geometry unit unit := Geometry taps (fun _ _ => Some tt).
Definition of_all c_out (layer : tensor N unit) := loop c_out (fun acc o => N.add acc (layer o tt)) 0%num.
Definition one (_ : unit) (_ : N) : N := 1%num.
Definition products taps c_in c_out :=
  of_all c_out (conv one N.add 0%num (seen taps) c_in (fun _ _ _ => tt) (fun _ _ => 0%num)).
Definition products_in_groups taps c_in c_out G := of_all (G * c_out)
  (grouped_conv one N.add 0%num (seen taps) c_in c_out (fun _ _ _ => tt) (fun _ _ => 0%num)).

(** ResNeXt's block of conv2, 256-32x4d-256. *)
Theorem resnext_70144 :
  (products 1 256 128 + products_in_groups 9 4 4 32 + products 1 128 256)%num = 70144%num.
Proof. by vm_compute. Qed.

(** ResNet's, 256-64-256. *)
Theorem resnet_69632 : (products 1 256 64 + products 9 64 64 + products 1 64 256)%num = 69632%num.
Proof. by vm_compute. Qed.
