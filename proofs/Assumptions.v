(** What each theorem assumes: nothing. [make] fails if one of these says anything else. *)
From triform Require Theorems NearMisses Counts Float Cases.

(** The block-equivalence proof, and what surrounds it. *)
Print Assumptions Theorems.early_concat_is_grouped.
Print Assumptions Theorems.aggregated_is_early_concat.
Print Assumptions Theorems.block_equivalence.
Print Assumptions Theorems.channel_wise.
Print Assumptions Theorems.any_order.
Print Assumptions Theorems.grouped_is_dense.
Print Assumptions Theorems.embedding.
Print Assumptions Theorems.concatenate_path.
Print Assumptions Theorems.path_concatenate.
Print Assumptions Theorems.conv2_of_resnext50.
Print Assumptions Counts.resnext_70144.
Print Assumptions Counts.resnet_69632.
Print Assumptions Float.float_addition_is_not_associative.
Print Assumptions Float.forms_a_and_b_differ_in_floats.
Print Assumptions NearMisses.last_path_dropped.
Print Assumptions NearMisses.concatenated_in_reverse.
Print Assumptions NearMisses.groups_interleaved.
Print Assumptions NearMisses.input_split.
Print Assumptions NearMisses.shared_3x3.
Print Assumptions NearMisses.next_path_3x3.
Print Assumptions NearMisses.norm_in_each_path.
Print Assumptions Cases.cases_hold.
