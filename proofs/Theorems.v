(** The forms are one function: at every size, whatever the numbers are, as far as the laws reach. *)
From mathcomp Require Import all_ssreflect ssralg.
From triform Require Import Forms.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.

(** * Loops and indices *)

(** Only the steps that are taken matter. *)
Lemma loop_ext X n (s s' : X -> nat -> X) a :
  (forall acc i, i < n -> s acc i = s' acc i) -> loop n s a = loop n s' a.
Proof. by elim: n => //= n IH e; rewrite e // IH // => acc i lt; apply: e; apply: ltnW. Qed.

(** A loop over C d channels is one over C paths, and in each over d channels. *)
Lemma loop_mul X C d (s : X -> nat -> X) a :
  loop (C * d) s a = loop C (fun acc i => loop d (fun acc j => s acc (i * d + j)) acc) a.
Proof.
have add m n b : loop (m + n) s b = loop n (fun acc j => s acc (m + j)) (loop m s b).
  by elim: n => [|n IH]; rewrite ?addn0 // addnS /= IH.
by elim: C => //= C IH; rewrite mulSnr add IH.
Qed.

(** A loop that does something at one place only, [k]. *)
Lemma loop_only X n k (s : X -> X) a :
  loop n (fun acc i => if i == k then s acc else acc) a = if k < n then s a else a.
Proof. by elim: n => //= n ->; rewrite ltnS; case: (ltngtP k n). Qed.

(** Path and channel of channel [i * d + j]. *)
Lemma path_of i j d : j < d -> (i * d + j) %/ d = i.
Proof. by move=> lt; rewrite divnMDl ?divn_small ?addn0 //; apply: leq_ltn_trans lt. Qed.

Lemma channel_of i j d : j < d -> (i * d + j) %% d = j.
Proof. by move=> lt; rewrite modnMDl modn_small. Qed.

(** A block's weights give each path its own, and the paths' weights a block: inverse to each other. *)
Theorem concatenate_path T d (all : nat -> T) c : concatenate d (path d all) c = all c.
Proof. by rewrite /concatenate /path -divn_eq. Qed.

Theorem path_concatenate T d (paths : nat -> nat -> T) i j :
  j < d -> path d (concatenate d paths) i j = paths i j.
Proof. by move=> lt; rewrite /concatenate /path path_of ?channel_of. Qed.

(** A function of a path's channels: of these [d], at all positions, and of nothing else. *)
Definition of_channels X P d (f : nat -> tensor X P -> tensor X P) :=
  forall i y z, (forall j, j < d -> y j =1 z j) -> forall j, j < d -> f i y j =1 f i z j.

(** For example a function of each channel, which may look at all its positions: batch norm in evaluation
    or in training mode, an activation, both. *)
Theorem channel_wise X P d (h : nat -> (P -> X) -> P -> X) :
  (forall c u v, u =1 v -> h c u =1 h c v) -> of_channels d (fun i y j => h (i * d + j) (y j)).
Proof. by move=> e i y z eq j lt; apply: e; apply: eq. Qed.

Section Forms.
Variables (W X : Type) (mul : W -> X -> X) (add : X -> X -> X) (zero : X).
Notation conv := (conv mul add zero).
Notation grouped_conv := (grouped_conv mul add zero).
Notation add_taps := (add_taps mul add).

(** A convolution reads the channels it has, and a kernel's row of its output channel. *)
Lemma taps_ext In Out (g : geometry In Out) w w' (x x' : In -> X) p a :
  w =1 w' -> x =1 x' -> add_taps g w x p a = add_taps g w' x' p a.
Proof. by move=> ew ex; apply: loop_ext => acc t _; case: meets => // q; rewrite ew ex. Qed.

Lemma conv_ext In Out (g : geometry In Out) c_in w w' (x x' : tensor X In) o o' p :
  (forall c t, c < c_in -> w o c t = w' o' c t) -> (forall c, c < c_in -> x c =1 x' c) ->
  conv g c_in w x o p = conv g c_in w' x' o' p.
Proof. by move=> ew ex; apply: loop_ext => acc c lt; apply: taps_ext => t; [apply: ew | apply: ex]. Qed.

(** ** No law: (b) is (c) *)

Variables (C d c_in : nat) (P0 P1 P2 P3 : Type).
Variables (g1 : geometry P0 P1) (g2 : geometry P1 P2) (g3 : geometry P2 P3).
Variables (reduce transform expand : kernel W).
Variables (f1 : nat -> tensor X P1 -> tensor X P1) (f2 : nat -> tensor X P2 -> tensor X P2).
Hypotheses (of1 : of_channels d f1) (of2 : of_channels d f2).
Notation aggregated := (aggregated mul add zero C d c_in g1 g2 g3 reduce transform expand f1 f2).
Notation early_concat := (early_concat mul add zero C d c_in g1 g2 g3 reduce transform expand f1 f2).
Notation grouped := (grouped mul add zero C d c_in g1 g2 g3 reduce transform expand f1 f2).
Notation expanded := (expanded mul add zero d c_in g1 g2 g3 reduce transform expand f1 f2).

(** Whatever [add] is: to the bit in floating point, where both sum in the same order. *)
Theorem early_concat_is_grouped x o p : early_concat x o p = grouped x o p.
Proof.
apply: conv_ext => // c lt q; have lt_d : c %% d < d.
  by rewrite ltn_pmod //; move: lt; case: (d) => //; rewrite muln0.
apply: of2 => // j lt_j {}q; rewrite /path /Forms.grouped_conv path_of //.
by apply: conv_ext => // k lt_k r; rewrite /along /path /concatenate path_of ?channel_of.
Qed.

(** ** A sum may be taken in parts: (a) is (b) *)

Hypotheses (addA : associative add) (add0x : left_id zero add) (addx0 : right_id zero add).

(** What a loop adds to what there was, it adds to zero. *)
Lemma loop_adds n (s : X -> nat -> X) :
  (forall acc i, s acc i = add acc (s zero i)) -> forall a, loop n s a = add a (loop n s zero).
Proof. by move=> e a; elim: n => [|n IH] /=; rewrite ?addx0 // e IH -addA -e. Qed.

Lemma taps_add In Out (g : geometry In Out) w (x : In -> X) p a : add_taps g w x p a = add a (add_taps g w x p zero).
Proof. by apply: loop_adds => acc t; case: meets => [q|]; rewrite ?add0x ?addx0. Qed.

Lemma merge_loop n (z : nat -> X) : merge add zero n z = loop n (fun acc i => add acc (z i)) zero.
Proof. by case: n => //= n; elim: n => [|n IH] /=; rewrite ?add0x // IH. Qed.

(** Associativity and a unit, and nothing of the product. *)
Theorem aggregated_is_early_concat x o p : aggregated x o p = early_concat x o p.
Proof.
rewrite /Forms.aggregated merge_loop /Forms.early_concat /Forms.conv loop_mul.
apply: loop_ext => acc i _; symmetry; rewrite loop_adds => [|b j]; last exact: taps_add.
congr (add _ _); apply: loop_ext => b j lt; apply: taps_ext => // q.
by rewrite /concatenate path_of ?channel_of.
Qed.

(** ** The block: batch norm, shortcut and ReLU after the sum, or anything else *)
Theorem block_equivalence (after : tensor X P3 -> tensor X P3) x :
  (forall y z, (forall o, y o =1 z o) -> forall o, after y o =1 after z o) ->
  forall o p, after (aggregated x) o p = after (early_concat x) o p /\
              after (early_concat x) o p = after (grouped x) o p.
Proof.
move=> e o p; split; apply: e => {}o {}p; first exact: aggregated_is_early_concat.
exact: early_concat_is_grouped.
Qed.

(** ** The paths in any order *)
Hypothesis addC : commutative add.

Theorem any_order x o p s : perm_eq (map s (iota 0 C)) (iota 0 C) ->
  merge add zero C (fun i => expanded x (s i) o p) = aggregated x o p.
Proof.
pose law := @Monoid.ComLaw _ _ (Monoid.Law addA add0x addx0) addC.
have big z : merge add zero C z = \big[law/zero]_(i <- iota 0 C) z i.
  rewrite merge_loop; elim: (C) => [|n IH]; first by rewrite big_nil.
  by rewrite -addn1 iotaD big_cat big_seq1 /= addn1 /= IH.
by move=> perm; rewrite /Forms.aggregated !big -[RHS](perm_big _ perm) big_map.
Qed.

(** ** Groups as a dense kernel *)
Variable zero_weight : W.
Hypothesis mul0x : forall y, mul zero_weight y = zero.

Lemma zeros_add In Out (g : geometry In Out) w (x : In -> X) p a : (forall t, w t = zero_weight) -> add_taps g w x p a = a.
Proof. by move=> w0; rewrite /add_taps; elim: (taps g) => //= n ->; case: meets => // q; rewrite w0 mul0x addx0. Qed.

(** A unit and 0 w = 0: not even commutativity. *)
Theorem grouped_is_dense In Out (g : geometry In Out) G c_in' c_out (w : kernel W) (x : tensor X In) o p :
  o < G * c_out ->
  conv g (G * c_in') (dense zero_weight c_in' c_out w) x o p = grouped_conv g c_in' c_out w x o p.
Proof.
move=> lt; have in_group : o %/ c_out < G.
  by rewrite ltn_divLR //; move: lt; case: (c_out) => //; rewrite muln0.
rewrite /Forms.conv loop_mul; set k := o %/ c_out.
rewrite -[RHS]/(loop _ _ _) -[RHS]/(if true then _ else zero) -in_group -/k.
rewrite -(loop_only G k (fun acc => loop c_in' (fun acc c => add_taps g (w o c) (path c_in' x k c) p acc) acc)).
apply: loop_ext => acc i _; case: eqP => [->|/eqP ne].
  by apply: loop_ext => b j lt_j; apply: taps_ext => // t; rewrite /dense path_of // eqxx channel_of.
rewrite (@loop_ext _ _ _ (fun acc _ => acc)) => [|b j lt_j]; first by elim: (c_in').
by apply: zeros_add => t; rewrite /dense path_of // (negbTE ne).
Qed.
End Forms.

(** So the block is one of a single path as wide as all of them, as in Wide ResNet. *)
Theorem embedding W X mul add zero zero_weight C d c_in P0 P1 P2 P3 (g1 : geometry P0 P1)
    (g2 : geometry P1 P2) (g3 : geometry P2 P3) (reduce transform expand : kernel W)
    (f1 : nat -> tensor X P1 -> tensor X P1) (f2 : nat -> tensor X P2 -> tensor X P2) x o p :
  of_channels d f1 -> of_channels d f2 -> right_id zero add -> (forall y, mul zero_weight y = zero) ->
  grouped mul add zero 1 (C * d) c_in g1 g2 g3 reduce (dense zero_weight d d transform) expand
    (fun _ => along d f1) (fun _ => along d f2) x o p =
  grouped mul add zero C d c_in g1 g2 g3 reduce transform expand f1 f2 x o p.
Proof.
move=> of1 of2 addx0 mul0x; rewrite /grouped mul1n; apply: conv_ext => // c lt q.
have d0 : 0 < d by move: lt; case: (d) => //; rewrite muln0.
have lt_d : c %% d < d by rewrite ltn_mod.
have whole P (f : nat -> tensor X P -> tensor X P) (y : tensor X P) k : k < C * d ->
    along (C * d) (fun _ => along d f) y k = along d f (path (C * d) y 0) k.
  by move=> lt_k; rewrite /along /concatenate (divn_small lt_k) (modn_small lt_k).
rewrite whole //; apply: of2 => // j lt_j {}q.
have lt_c : c %/ d * d + j < C * d.
  by rewrite (leq_trans (_ : _ < (c %/ d).+1 * d)) ?leq_mul2r ?ltn_divLR ?lt ?orbT // mulSn addnC ltn_add2r.
rewrite /path mul0n add0n {1}/grouped_conv divn_small //.
transitivity (conv mul add zero g2 (C * d) (dense zero_weight d d transform)
    (along d f1 (conv mul add zero g1 c_in reduce x)) (c %/ d * d + j) q); last exact: grouped_is_dense.
apply: conv_ext => // k lt_k r.
by rewrite /path mul0n add0n whole.
Qed.

(** The conv2 block of ResNeXt-50, on its map, over any ring: (a) is (c). *)
Definition pointwise := on_maps 1 1 1 0 1 56 56.
Definition three_by_three := on_maps 3 3 1 1 1 56 56.

Theorem conv2_of_resnext50 (R : ringType) (reduce transform expand : kernel R)
    (f1 f2 : nat -> tensor R position -> tensor R position) x o p :
  of_channels 4 f1 -> of_channels 4 f2 ->
  aggregated *%R +%R 0%R 32 4 256 pointwise three_by_three pointwise reduce transform expand f1 f2 x o p =
  grouped *%R +%R 0%R 32 4 256 pointwise three_by_three pointwise reduce transform expand f1 f2 x o p.
Proof.
move=> of1 of2; rewrite aggregated_is_early_concat; first exact: early_concat_is_grouped.
all: by [exact: GRing.addrA | exact: GRing.add0r | exact: GRing.addr0].
Qed.
