(** The three forms of a block as index formulas, as src/block/ has them. They
    compute, and Cases.v runs them on the numbers that the Rust forms were run on. *)
From mathcomp Require Import all_ssreflect.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.

(** [for i in 0..n { acc = step(acc, i) }] *)
Fixpoint loop X n (step : X -> nat -> X) (acc : X) : X :=
  if n is m.+1 then step (loop m step acc) m else acc.

(** Channel [j] of path [i] is channel [i * d + j] of all: a path's share of them, and the
    paths side by side. Channels of a tensor, rows or columns of a kernel. *)
Definition path T d (all : nat -> T) i j := all (i * d + j).
Definition concatenate T d (paths : nat -> nat -> T) c := paths (c %/ d) (c %% d).

(** Where tap [t] of an output position meets the input; nowhere in the padding. A position is
    whatever one likes: row and column, and which of the batch. *)
Record geometry (In Out : Type) := Geometry { taps : nat; meets : Out -> nat -> option In }.

(** By channel, by position. *)
Definition tensor X P := nat -> P -> X.
(** By output channel, by input channel of its group, by tap. *)
Definition kernel W := nat -> nat -> nat -> W.

Section Forms.
(** Weights and activations; their product, the sum, where a sum starts. No law holds. *)
Variables (W X : Type) (mul : W -> X -> X) (add : X -> X -> X) (zero : X).

(** src/conv/reference.rs, for one group: channel by channel, tap by tap. *)
Definition add_taps In Out (g : geometry In Out) (w : nat -> W) (x : In -> X) p (acc : X) : X :=
  loop (taps g) (fun acc t => if meets g p t is Some q then add acc (mul (w t) (x q)) else acc) acc.
Definition conv In Out (g : geometry In Out) c_in (w : kernel W) (x : tensor X In) : tensor X Out :=
  fun o p => loop c_in (fun acc c => add_taps g (w o c) (x c) p acc) zero.

(** The same in groups of [c_in] channels in and [c_out] out. *)
Definition grouped_conv In Out (g : geometry In Out) c_in c_out (w : kernel W) (x : tensor X In) :
  tensor X Out := fun o => conv g c_in w (path c_in x (o %/ c_out)) o.

(** The sum over the paths, from the first one on: src/conv/convolver.rs. *)
Definition merge C (z : nat -> X) : X :=
  if C is n.+1 then loop n (fun acc i => add acc (z i.+1)) (z 0) else zero.

(** The block: C paths of d channels; its three layers, each with any geometry. *)
Variables (C d c_in : nat) (P0 P1 P2 P3 : Type).
Variables (g1 : geometry P0 P1) (g2 : geometry P1 P2) (g3 : geometry P2 P3).
Variables (reduce transform expand : kernel W).
(** The functions between the layers: for each path, of its d channels, at all positions. *)
Variables (f1 : nat -> tensor X P1 -> tensor X P1) (f2 : nat -> tensor X P2 -> tensor X P2).
(** The same on all channels at once. *)
Definition along P (f : nat -> tensor X P -> tensor X P) (y : tensor X P) : tensor X P :=
  concatenate d (fun i => f i (path d y i)).

Variable x : tensor X P0.

(** Path i: reads all of x; then its own d channels. *)
Definition reduced i := f1 i (conv g1 c_in (path d reduce i) x).
Definition transformed i := f2 i (conv g2 d (path d transform i) (reduced i)).
Definition expanded i := conv g3 d (fun o => path d (expand o) i) (transformed i).

(** Form (a), src/block/aggregated.rs: C paths, summed. *)
Definition aggregated : tensor X P3 := fun o p => merge C (fun i => expanded i o p).

(** Form (b), src/block/early_concat.rs: C paths, concatenated, then one 1x1. *)
Definition early_concat : tensor X P3 :=
  conv g3 (C * d) expand (concatenate d transformed).

(** Form (c), src/block/grouped.rs: three convolutions, the middle one in C groups. *)
Definition grouped : tensor X P3 :=
  conv g3 (C * d) expand
    (along f2 (grouped_conv g2 d d transform
      (along f1 (conv g1 c_in reduce x)))).
End Forms.

(** On maps h x w, with a kernel [columns] wide: row, column and number in the batch. *)
Definition position := (nat * nat * nat)%type.
Definition on_maps rows columns stride padding dilation h w : geometry position position :=
  Geometry (rows * columns) (fun '(n, i, j) t =>
    let y := i * stride + t %/ columns * dilation in
    let x := j * stride + t %% columns * dilation in
    if [&& padding <= y, y < padding + h, padding <= x & x < padding + w]
    then Some (n, y - padding, x - padding) else None).

(** A kernel in groups as a dense one: its own weights in its group's block on the diagonal, zero beside. *)
Definition dense W (zero : W) c_in c_out (w : kernel W) : kernel W := fun o c t =>
  if c %/ c_in == o %/ c_out then w o (c %% c_in) t else zero.
