(** What each theorem assumes: nothing. [make] fails if one of these says anything else. *)
From triform Require Theorems WrongBlocks Counts Float Cases.

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
Print Assumptions WrongBlocks.last_path_dropped.
Print Assumptions WrongBlocks.concatenated_in_reverse.
Print Assumptions WrongBlocks.groups_interleaved.
Print Assumptions WrongBlocks.input_split.
Print Assumptions WrongBlocks.shared_3x3.
Print Assumptions WrongBlocks.next_path_3x3.
Print Assumptions WrongBlocks.norm_in_each_path.
Print Assumptions Cases.cases_hold.
