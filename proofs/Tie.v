(** The formulas run on the cases of Cases.v, which the Rust forms were run on. *)
From Coq Require Import ZArith.
From mathcomp Require Import all_ssreflect.
From triform Require Import Forms.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.

(** A block, what it is given and what it gave. *)
Record case := Case {
  paths : nat; channels : nat; c_in : nat; c_out : nat; size : nat; padding : nat;
  (** Strides of the first 1x1 and of the k x k. *)
  strides : nat * nat;
  (** Images, rows and columns: of the input, after the first layer and after the second. *)
  batch : nat; map0 : nat * nat; map1 : nat * nat; map2 : nat * nat;
  (** Kernels, row by row; scale and shift of each channel between the layers, a ReLU after them. *)
  reduce : seq Z; transform : seq Z; expand : seq Z; norm1 : seq (Z * Z); norm2 : seq (Z * Z);
  (** The same after the sum. *)
  norm3 : seq (Z * Z);
  (** Tensors N x C x H x W. *)
  input : seq Z; output : seq Z }.

Definition kernel_of c_in taps l : kernel Z := fun o c t => nth 0%Z l ((o * c_in + c) * taps + t).
Definition tensor_of c '(h, w) l : tensor Z position :=
  fun k '(n, i, j) => nth 0%Z l (((n * c + k) * h + i) * w + j).
Definition values_of n c '(h, w) (z : tensor Z position) :=
  flatten [seq flatten [seq flatten [seq [seq z k (m, i, j) | j <- iota 0 w] | i <- iota 0 h]
                       | k <- iota 0 c] | m <- iota 0 n].
Definition norm_of d (l : seq (Z * Z)) i (y : tensor Z position) : tensor Z position := fun j p =>
  let: (scale, shift) := nth (0, 0)%Z l (i * d + j) in Z.max 0 (scale * y j p + shift).

Fixpoint seqb (a b : seq Z) := match a, b with
  | [::], [::] => true | m :: a, n :: b => Z.eqb m n && seqb a b | _, _ => false end.

Section Holds.
Variable k : case.
Let g1 := on_maps 1 1 (strides k).1 0 1 (map0 k).1 (map0 k).2.
Let g2 := on_maps (size k) (size k) (strides k).2 (padding k) 1 (map1 k).1 (map1 k).2.
Let g3 := on_maps 1 1 1 0 1 (map2 k).1 (map2 k).2.
Let w1 := kernel_of (c_in k) 1 (reduce k).
Let w2 := kernel_of (channels k) (size k * size k) (transform k).
Let w3 := kernel_of (paths k * channels k) 1 (expand k).
Let f1 := norm_of (channels k) (norm1 k).
Let f2 := norm_of (channels k) (norm2 k).
Let x := tensor_of (c_in k) (map0 k) (input k).
Let gives z := seqb (values_of (batch k) (c_out k) (map2 k) (norm_of (c_out k) (norm3 k) 0 z)) (output k).

(** All three forms give what the Rust forms gave. *)
Definition holds :=
  [&& gives (aggregated Z.mul Z.add 0%Z (paths k) (channels k) (c_in k) g1 g2 g3 w1 w2 w3 f1 f2 x),
      gives (early_concat Z.mul Z.add 0%Z (paths k) (channels k) (c_in k) g1 g2 g3 w1 w2 w3 f1 f2 x)
    & gives (grouped Z.mul Z.add 0%Z (paths k) (channels k) (c_in k) g1 g2 g3 w1 w2 w3 f1 f2 x)].
End Holds.
