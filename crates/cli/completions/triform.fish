# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_triform_global_optspecs
    string join \n arch= weights= image= resize= input= stride-on= classes= features seed= threads= rung= cases= full json= no-memory-check block= map= color= q/quiet h/help V/version
end

function __fish_triform_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_triform_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_triform_using_subcommand
    set -l cmd (__fish_triform_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c triform -n "__fish_triform_needs_command" -l arch -d 'Verify a whole network, block by block' -r
complete -c triform -n "__fish_triform_needs_command" -l weights -d 'The network\'s weights: .safetensors, .npz or .pth' -r -F
complete -c triform -n "__fish_triform_needs_command" -l image -d 'A JPEG or PNG photograph instead of the built-in one' -r -F
complete -c triform -n "__fish_triform_needs_command" -l resize -d 'Image\'s shorter side; 232 for V2 weights [default: 256]' -r
complete -c triform -n "__fish_triform_needs_command" -l input -d 'A .npy array, N x 3 x H x W, already normalised' -r -F
complete -c triform -n "__fish_triform_needs_command" -l stride-on -d 'Stride on the 3x3 or the first 1x1 [default: 3x3]' -r -f -a "3x3\t''
1x1\t''"
complete -c triform -n "__fish_triform_needs_command" -l classes -d 'Number of classes [default: 1000, CIFAR: 10]' -r
complete -c triform -n "__fish_triform_needs_command" -l seed -d 'The seed of every random choice' -r
complete -c triform -n "__fish_triform_needs_command" -l threads -d 'Threads to use; results do not change [default: all]' -r
complete -c triform -n "__fish_triform_needs_command" -l rung -d 'Only these rungs, such as R1,R4 or R1-R4 [default: all]' -r
complete -c triform -n "__fish_triform_needs_command" -l cases -d 'Random blocks for each rung [default: 100]' -r
complete -c triform -n "__fish_triform_needs_command" -l json -d 'Write the report as JSON to FILE or standard output' -r
complete -c triform -n "__fish_triform_needs_command" -l block -d 'One block, C_in channels in and out, on random data' -r
complete -c triform -n "__fish_triform_needs_command" -l map -d 'The block\'s map, height x width [default: 56x56]' -r
complete -c triform -n "__fish_triform_needs_command" -l color -d 'Colour: auto, always or never [default: auto]' -r -f -a "auto\t''
always\t''
never\t''"
complete -c triform -n "__fish_triform_needs_command" -l features -d 'Leave out the top (include_top=False)'
complete -c triform -n "__fish_triform_needs_command" -l full -d 'Print all tables, not the short report'
complete -c triform -n "__fish_triform_needs_command" -l no-memory-check -d 'Start even if memory is short; the OS may kill triform'
complete -c triform -n "__fish_triform_needs_command" -s q -l quiet -d 'Print errors only; the exit status is the answer'
complete -c triform -n "__fish_triform_needs_command" -s h -l help -d 'Print help'
complete -c triform -n "__fish_triform_needs_command" -s V -l version -d 'Print version'
complete -c triform -n "__fish_triform_needs_command" -f -a "verify" -d 'Run the three forms on one set of weights and compare them'
complete -c triform -n "__fish_triform_needs_command" -f -a "refute" -d 'Show wrong blocks, and the evidence that refutes each'
complete -c triform -n "__fish_triform_needs_command" -f -a "explain" -d 'Show why the forms are equivalent, with numbers to follow by hand'
complete -c triform -n "__fish_triform_needs_command" -f -a "count" -d 'Count parameters and multiply-adds, beside the published figures'
complete -c triform -n "__fish_triform_needs_command" -f -a "diagnose" -d 'Find the known mistakes and conventions that explain a count'
complete -c triform -n "__fish_triform_needs_command" -f -a "forward" -d 'Run a network with its blocks in one form, or in all three'
complete -c triform -n "__fish_triform_needs_command" -f -a "train" -d 'Train the three forms in lockstep on handwritten digits'
complete -c triform -n "__fish_triform_needs_command" -f -a "cases" -d 'Write cases for your own convolution or block to compute'
complete -c triform -n "__fish_triform_needs_command" -f -a "check" -d 'Judge what your code computed for the cases'
complete -c triform -n "__fish_triform_needs_command" -f -a "grade" -d 'Grade the submissions of a class'
complete -c triform -n "__fish_triform_needs_command" -f -a "adequacy" -d 'Say which known mistakes your test data would miss'
complete -c triform -n "__fish_triform_needs_command" -f -a "bench" -d 'Time the three forms on this machine'
complete -c triform -n "__fish_triform_needs_command" -f -a "init" -d 'Write a freshly initialised checkpoint'
complete -c triform -n "__fish_triform_needs_command" -f -a "plot" -d 'Draw the figures'
complete -c triform -n "__fish_triform_needs_command" -f -a "completions" -d 'Write the completions for a shell, or the manual page'
complete -c triform -n "__fish_triform_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c triform -n "__fish_triform_using_subcommand verify" -l arch -d 'Verify a whole network, block by block' -r
complete -c triform -n "__fish_triform_using_subcommand verify" -l weights -d 'The network\'s weights: .safetensors, .npz or .pth' -r -F
complete -c triform -n "__fish_triform_using_subcommand verify" -l image -d 'A JPEG or PNG photograph instead of the built-in one' -r -F
complete -c triform -n "__fish_triform_using_subcommand verify" -l resize -d 'Image\'s shorter side; 232 for V2 weights [default: 256]' -r
complete -c triform -n "__fish_triform_using_subcommand verify" -l input -d 'A .npy array, N x 3 x H x W, already normalised' -r -F
complete -c triform -n "__fish_triform_using_subcommand verify" -l stride-on -d 'Stride on the 3x3 or the first 1x1 [default: 3x3]' -r -f -a "3x3\t''
1x1\t''"
complete -c triform -n "__fish_triform_using_subcommand verify" -l classes -d 'Number of classes [default: 1000, CIFAR: 10]' -r
complete -c triform -n "__fish_triform_using_subcommand verify" -l seed -d 'The seed of every random choice' -r
complete -c triform -n "__fish_triform_using_subcommand verify" -l threads -d 'Threads to use; results do not change [default: all]' -r
complete -c triform -n "__fish_triform_using_subcommand verify" -l rung -d 'Only these rungs, such as R1,R4 or R1-R4 [default: all]' -r
complete -c triform -n "__fish_triform_using_subcommand verify" -l cases -d 'Random blocks for each rung [default: 100]' -r
complete -c triform -n "__fish_triform_using_subcommand verify" -l json -d 'Write the report as JSON to FILE or standard output' -r
complete -c triform -n "__fish_triform_using_subcommand verify" -l block -d 'One block, C_in channels in and out, on random data' -r
complete -c triform -n "__fish_triform_using_subcommand verify" -l map -d 'The block\'s map, height x width [default: 56x56]' -r
complete -c triform -n "__fish_triform_using_subcommand verify" -l color -d 'Colour: auto, always or never [default: auto]' -r -f -a "auto\t''
always\t''
never\t''"
complete -c triform -n "__fish_triform_using_subcommand verify" -l features -d 'Leave out the top (include_top=False)'
complete -c triform -n "__fish_triform_using_subcommand verify" -l full -d 'Print all tables, not the short report'
complete -c triform -n "__fish_triform_using_subcommand verify" -l no-memory-check -d 'Start even if memory is short; the OS may kill triform'
complete -c triform -n "__fish_triform_using_subcommand verify" -s q -l quiet -d 'Print errors only; the exit status is the answer'
complete -c triform -n "__fish_triform_using_subcommand verify" -s h -l help -d 'Print help'
complete -c triform -n "__fish_triform_using_subcommand refute" -l rung -d 'Only these rungs, such as R1,R4 or R1-R4 [default: all]' -r
complete -c triform -n "__fish_triform_using_subcommand refute" -l seed -d 'The seed of every random choice' -r
complete -c triform -n "__fish_triform_using_subcommand refute" -l threads -d 'Threads to use; results do not change [default: all]' -r
complete -c triform -n "__fish_triform_using_subcommand refute" -l json -d 'Write JSON to FILE or to standard output' -r
complete -c triform -n "__fish_triform_using_subcommand refute" -l color -d 'Colour: auto, always or never [default: auto]' -r -f -a "auto\t''
always\t''
never\t''"
complete -c triform -n "__fish_triform_using_subcommand refute" -l markdown -d 'Write Markdown'
complete -c triform -n "__fish_triform_using_subcommand refute" -s q -l quiet -d 'Print errors only; the exit status is the answer'
complete -c triform -n "__fish_triform_using_subcommand refute" -s h -l help -d 'Print help'
complete -c triform -n "__fish_triform_using_subcommand explain" -l json -d 'Write the report as JSON to FILE or standard output' -r
complete -c triform -n "__fish_triform_using_subcommand explain" -l color -d 'Colour: auto, always or never [default: auto]' -r -f -a "auto\t''
always\t''
never\t''"
complete -c triform -n "__fish_triform_using_subcommand explain" -l markdown -d 'Write Markdown'
complete -c triform -n "__fish_triform_using_subcommand explain" -s q -l quiet -d 'Print errors only; the exit status is the answer'
complete -c triform -n "__fish_triform_using_subcommand explain" -s h -l help -d 'Print help'
complete -c triform -n "__fish_triform_using_subcommand count" -l block -d 'A block with C_in channels in and out' -r
complete -c triform -n "__fish_triform_using_subcommand count" -l conv -d 'A convolution: kernel, channels in and out, groups' -r
complete -c triform -n "__fish_triform_using_subcommand count" -l size -d 'Input size [default: 224, CIFAR: 32, blocks: 56]' -r
complete -c triform -n "__fish_triform_using_subcommand count" -l csv -d 'Write CSV to FILE or to standard output' -r
complete -c triform -n "__fish_triform_using_subcommand count" -l stride-on -d 'Where bottlenecks have their stride [default: 3x3]' -r -f -a "3x3\t''
1x1\t''"
complete -c triform -n "__fish_triform_using_subcommand count" -l classes -d 'Number of classes [default: 1000, CIFAR: 10]' -r
complete -c triform -n "__fish_triform_using_subcommand count" -l json -d 'Write JSON to FILE or to standard output' -r
complete -c triform -n "__fish_triform_using_subcommand count" -l color -d 'Colour: auto, always or never [default: auto]' -r -f -a "auto\t''
always\t''
never\t''"
complete -c triform -n "__fish_triform_using_subcommand count" -l layers -d 'Count layer by layer'
complete -c triform -n "__fish_triform_using_subcommand count" -l preserve -d 'For each C, the width d that keeps the block\'s cost'
complete -c triform -n "__fish_triform_using_subcommand count" -l features -d 'Leave out the top (include_top=False)'
complete -c triform -n "__fish_triform_using_subcommand count" -s q -l quiet -d 'Print errors only; the exit status is the answer'
complete -c triform -n "__fish_triform_using_subcommand count" -s h -l help -d 'Print help'
complete -c triform -n "__fish_triform_using_subcommand diagnose" -l arch -d 'The network or block [default: all known ones]' -r
complete -c triform -n "__fish_triform_using_subcommand diagnose" -l size -d 'Input size [default: 224, CIFAR: 32, blocks: 56]' -r
complete -c triform -n "__fish_triform_using_subcommand diagnose" -l classes -d 'Number of classes [default: 1000, CIFAR: 10]' -r
complete -c triform -n "__fish_triform_using_subcommand diagnose" -l json -d 'Write all matches as JSON to FILE or standard output' -r
complete -c triform -n "__fish_triform_using_subcommand diagnose" -l color -d 'Colour: auto, always or never [default: auto]' -r -f -a "auto\t''
always\t''
never\t''"
complete -c triform -n "__fish_triform_using_subcommand diagnose" -l macs -d 'Treat COUNT as multiply-adds, not as parameters'
complete -c triform -n "__fish_triform_using_subcommand diagnose" -s q -l quiet -d 'Print errors only; the exit status is the answer'
complete -c triform -n "__fish_triform_using_subcommand diagnose" -s h -l help -d 'Print help'
complete -c triform -n "__fish_triform_using_subcommand forward" -l arch -d 'The network, such as resnext50_32x4d' -r
complete -c triform -n "__fish_triform_using_subcommand forward" -l weights -d 'The network\'s weights: .safetensors, .npz or .pth' -r -F
complete -c triform -n "__fish_triform_using_subcommand forward" -l image -d 'A JPEG or PNG photograph instead of the built-in one' -r -F
complete -c triform -n "__fish_triform_using_subcommand forward" -l resize -d 'Image\'s shorter side; 232 for V2 weights [default: 256]' -r
complete -c triform -n "__fish_triform_using_subcommand forward" -l input -d 'A .npy array, N x 3 x H x W, already normalised' -r -F
complete -c triform -n "__fish_triform_using_subcommand forward" -l form -d 'The blocks\' form, or all to compare them [default: c]' -r -f -a "a\t''
b\t''
c\t''
all\t''"
complete -c triform -n "__fish_triform_using_subcommand forward" -l stride-on -d 'Stride on the 3x3 or the first 1x1 [default: 3x3]' -r -f -a "3x3\t''
1x1\t''"
complete -c triform -n "__fish_triform_using_subcommand forward" -l classes -d 'Number of classes [default: 1000, CIFAR: 10]' -r
complete -c triform -n "__fish_triform_using_subcommand forward" -l output -d 'Write the logits, or the last map, as a .npy file' -r
complete -c triform -n "__fish_triform_using_subcommand forward" -l threads -d 'Threads to use; results do not change [default: all]' -r
complete -c triform -n "__fish_triform_using_subcommand forward" -l json -d 'Write the report as JSON to FILE or standard output' -r
complete -c triform -n "__fish_triform_using_subcommand forward" -l color -d 'Colour: auto, always or never [default: auto]' -r -f -a "auto\t''
always\t''
never\t''"
complete -c triform -n "__fish_triform_using_subcommand forward" -l features -d 'Leave out the top (include_top=False)'
complete -c triform -n "__fish_triform_using_subcommand forward" -l no-memory-check -d 'Start even if memory is short; the OS may kill triform'
complete -c triform -n "__fish_triform_using_subcommand forward" -s q -l quiet -d 'Print errors only; the exit status is the answer'
complete -c triform -n "__fish_triform_using_subcommand forward" -s h -l help -d 'Print help'
complete -c triform -n "__fish_triform_using_subcommand train" -l steps -d 'Training steps [default: 300]' -r
complete -c triform -n "__fish_triform_using_subcommand train" -l seed -d 'The seed of every random choice' -r
complete -c triform -n "__fish_triform_using_subcommand train" -l threads -d 'Threads to use; results do not change [default: all]' -r
complete -c triform -n "__fish_triform_using_subcommand train" -l json -d 'Write the report as JSON to FILE or standard output' -r
complete -c triform -n "__fish_triform_using_subcommand train" -l figure -d 'Draw the curves of this run, as .svg or .png' -r
complete -c triform -n "__fish_triform_using_subcommand train" -l color -d 'Colour: auto, always or never [default: auto]' -r -f -a "auto\t''
always\t''
never\t''"
complete -c triform -n "__fish_triform_using_subcommand train" -l wrong -d 'Also train a dozen wrong blocks, in the same way'
complete -c triform -n "__fish_triform_using_subcommand train" -s q -l quiet -d 'Print errors only; the exit status is the answer'
complete -c triform -n "__fish_triform_using_subcommand train" -s h -l help -d 'Print help'
complete -c triform -n "__fish_triform_using_subcommand cases" -l out -d 'The folder to write to, new or empty' -r -F
complete -c triform -n "__fish_triform_using_subcommand cases" -l onnx -d 'Also write ONNX models with test data, to a new folder' -r -F
complete -c triform -n "__fish_triform_using_subcommand cases" -l op -d 'Convolutions, blocks or both [default: all]' -r -f -a "conv\t''
block\t''
all\t''"
complete -c triform -n "__fish_triform_using_subcommand cases" -l kind -d 'integers, floats, training, gradients, specials' -r -f -a "integers\t''
floats\t''
training\t''
gradients\t''
specials\t''"
complete -c triform -n "__fish_triform_using_subcommand cases" -l seed -d 'The seed of every random choice' -r
complete -c triform -n "__fish_triform_using_subcommand cases" -l secret -d 'Derive a secret seed from this file\'s contents' -r -F
complete -c triform -n "__fish_triform_using_subcommand cases" -l color -d 'Colour: auto, always or never [default: auto]' -r -f -a "auto\t''
always\t''
never\t''"
complete -c triform -n "__fish_triform_using_subcommand cases" -l quick -d 'Write fewer cases, but still of every kind'
complete -c triform -n "__fish_triform_using_subcommand cases" -s q -l quiet -d 'Print errors only; the exit status is the answer'
complete -c triform -n "__fish_triform_using_subcommand cases" -s h -l help -d 'Print help'
complete -c triform -n "__fish_triform_using_subcommand check" -l run -d 'Run COMMAND CASES OUTPUTS and judge what it writes' -r
complete -c triform -n "__fish_triform_using_subcommand check" -l timeout -d 'Stop the program after this time [default: 600]' -r
complete -c triform -n "__fish_triform_using_subcommand check" -l json -d 'Write the report as JSON to FILE or standard output' -r
complete -c triform -n "__fish_triform_using_subcommand check" -l color -d 'Colour: auto, always or never [default: auto]' -r -f -a "auto\t''
always\t''
never\t''"
complete -c triform -n "__fish_triform_using_subcommand check" -s q -l quiet -d 'Print errors only; the exit status is the answer'
complete -c triform -n "__fish_triform_using_subcommand check" -s h -l help -d 'Print help'
complete -c triform -n "__fish_triform_using_subcommand grade" -l run -d 'Judge what COMMAND SUBMISSION CASES OUTPUTS writes' -r
complete -c triform -n "__fish_triform_using_subcommand grade" -l timeout -d 'Stop each program after this time [default: 60]' -r
complete -c triform -n "__fish_triform_using_subcommand grade" -l points -d 'Points by kind, in TOML [default: 100, split evenly]' -r -F
complete -c triform -n "__fish_triform_using_subcommand grade" -l gradescope -d 'Write a results.json per submission to a new folder' -r -F
complete -c triform -n "__fish_triform_using_subcommand grade" -l json -d 'Write the report as JSON to FILE or standard output' -r
complete -c triform -n "__fish_triform_using_subcommand grade" -l csv -d 'Write CSV to FILE or to standard output' -r
complete -c triform -n "__fish_triform_using_subcommand grade" -l color -d 'Colour: auto, always or never [default: auto]' -r -f -a "auto\t''
always\t''
never\t''"
complete -c triform -n "__fish_triform_using_subcommand grade" -s q -l quiet -d 'Print errors only; the exit status is the answer'
complete -c triform -n "__fish_triform_using_subcommand grade" -s h -l help -d 'Print help'
complete -c triform -n "__fish_triform_using_subcommand adequacy" -l rule -d 'exact (default), shape, allclose:R,A, sum:R,A, max-ulp:N' -r
complete -c triform -n "__fish_triform_using_subcommand adequacy" -l add -d 'Write the test, plus the cases it lacks, to a new folder' -r -F
complete -c triform -n "__fish_triform_using_subcommand adequacy" -l json -d 'Write the report as JSON to FILE or standard output' -r
complete -c triform -n "__fish_triform_using_subcommand adequacy" -l color -d 'Colour: auto, always or never [default: auto]' -r -f -a "auto\t''
always\t''
never\t''"
complete -c triform -n "__fish_triform_using_subcommand adequacy" -s q -l quiet -d 'Print errors only; the exit status is the answer'
complete -c triform -n "__fish_triform_using_subcommand adequacy" -s h -l help -d 'Print help'
complete -c triform -n "__fish_triform_using_subcommand bench" -l map -d 'The block\'s map, height x width [default: 56x56]' -r
complete -c triform -n "__fish_triform_using_subcommand bench" -l form -d 'The form to time; all are checked [default: all]' -r -f -a "a\t''
b\t''
c\t''
all\t''"
complete -c triform -n "__fish_triform_using_subcommand bench" -l rounds -d 'Rounds [default: 0.25 s for each workload, at least 5]' -r
complete -c triform -n "__fish_triform_using_subcommand bench" -l seed -d 'The seed of every random choice' -r
complete -c triform -n "__fish_triform_using_subcommand bench" -l figure -d 'Draw the roofline of this run, as .svg or .png' -r
complete -c triform -n "__fish_triform_using_subcommand bench" -l record -d 'Record everything, with date and machine, in FOLDER' -r -F
complete -c triform -n "__fish_triform_using_subcommand bench" -l block -d 'One block [default: one of each stage of ResNeXt-50]' -r
complete -c triform -n "__fish_triform_using_subcommand bench" -l threads -d 'Threads to use [default: one, and then all]' -r
complete -c triform -n "__fish_triform_using_subcommand bench" -l json -d 'Write the times as JSON to FILE or standard output' -r
complete -c triform -n "__fish_triform_using_subcommand bench" -l color -d 'Colour: auto, always or never [default: auto]' -r -f -a "auto\t''
always\t''
never\t''"
complete -c triform -n "__fish_triform_using_subcommand bench" -l networks -d 'Also time ResNet-50 and ResNeXt-50 as a whole'
complete -c triform -n "__fish_triform_using_subcommand bench" -l no-memory-check -d 'Start even if memory is short; the OS may kill triform'
complete -c triform -n "__fish_triform_using_subcommand bench" -s q -l quiet -d 'Print errors only; the exit status is the answer'
complete -c triform -n "__fish_triform_using_subcommand bench" -s h -l help -d 'Print help'
complete -c triform -n "__fish_triform_using_subcommand init" -l seed -d 'The seed of every random choice' -r
complete -c triform -n "__fish_triform_using_subcommand init" -l fan -d 'Use the fan_out of a layer or a path [default: layer]' -r -f -a "layer\t''
path\t''"
complete -c triform -n "__fish_triform_using_subcommand init" -l classes -d 'Number of classes [default: 1000, CIFAR: 10]' -r
complete -c triform -n "__fish_triform_using_subcommand init" -l output -d 'The file to write: .safetensors or .npz' -r
complete -c triform -n "__fish_triform_using_subcommand init" -l color -d 'Colour: auto, always or never [default: auto]' -r -f -a "auto\t''
always\t''
never\t''"
complete -c triform -n "__fish_triform_using_subcommand init" -l features -d 'Leave out the top (include_top=False)'
complete -c triform -n "__fish_triform_using_subcommand init" -l no-memory-check -d 'Start even if memory is short; the OS may kill triform'
complete -c triform -n "__fish_triform_using_subcommand init" -s q -l quiet -d 'Print errors only; the exit status is the answer'
complete -c triform -n "__fish_triform_using_subcommand init" -s h -l help -d 'Print help'
complete -c triform -n "__fish_triform_using_subcommand plot" -l block -d 'Draw this block, in figures that show a block' -r
complete -c triform -n "__fish_triform_using_subcommand plot" -l output -d 'The folder to write to' -r -F
complete -c triform -n "__fish_triform_using_subcommand plot" -l color -d 'Colour: auto, always or never [default: auto]' -r -f -a "auto\t''
always\t''
never\t''"
complete -c triform -n "__fish_triform_using_subcommand plot" -l list -d 'List the figures'
complete -c triform -n "__fish_triform_using_subcommand plot" -s q -l quiet -d 'Print errors only; the exit status is the answer'
complete -c triform -n "__fish_triform_using_subcommand plot" -s h -l help -d 'Print help'
complete -c triform -n "__fish_triform_using_subcommand completions" -l color -d 'Colour: auto, always or never [default: auto]' -r -f -a "auto\t''
always\t''
never\t''"
complete -c triform -n "__fish_triform_using_subcommand completions" -s q -l quiet -d 'Print errors only; the exit status is the answer'
complete -c triform -n "__fish_triform_using_subcommand completions" -s h -l help -d 'Print help'
complete -c triform -n "__fish_triform_using_subcommand help; and not __fish_seen_subcommand_from verify refute explain count diagnose forward train cases check grade adequacy bench init plot completions help" -f -a "verify" -d 'Run the three forms on one set of weights and compare them'
complete -c triform -n "__fish_triform_using_subcommand help; and not __fish_seen_subcommand_from verify refute explain count diagnose forward train cases check grade adequacy bench init plot completions help" -f -a "refute" -d 'Show wrong blocks, and the evidence that refutes each'
complete -c triform -n "__fish_triform_using_subcommand help; and not __fish_seen_subcommand_from verify refute explain count diagnose forward train cases check grade adequacy bench init plot completions help" -f -a "explain" -d 'Show why the forms are equivalent, with numbers to follow by hand'
complete -c triform -n "__fish_triform_using_subcommand help; and not __fish_seen_subcommand_from verify refute explain count diagnose forward train cases check grade adequacy bench init plot completions help" -f -a "count" -d 'Count parameters and multiply-adds, beside the published figures'
complete -c triform -n "__fish_triform_using_subcommand help; and not __fish_seen_subcommand_from verify refute explain count diagnose forward train cases check grade adequacy bench init plot completions help" -f -a "diagnose" -d 'Find the known mistakes and conventions that explain a count'
complete -c triform -n "__fish_triform_using_subcommand help; and not __fish_seen_subcommand_from verify refute explain count diagnose forward train cases check grade adequacy bench init plot completions help" -f -a "forward" -d 'Run a network with its blocks in one form, or in all three'
complete -c triform -n "__fish_triform_using_subcommand help; and not __fish_seen_subcommand_from verify refute explain count diagnose forward train cases check grade adequacy bench init plot completions help" -f -a "train" -d 'Train the three forms in lockstep on handwritten digits'
complete -c triform -n "__fish_triform_using_subcommand help; and not __fish_seen_subcommand_from verify refute explain count diagnose forward train cases check grade adequacy bench init plot completions help" -f -a "cases" -d 'Write cases for your own convolution or block to compute'
complete -c triform -n "__fish_triform_using_subcommand help; and not __fish_seen_subcommand_from verify refute explain count diagnose forward train cases check grade adequacy bench init plot completions help" -f -a "check" -d 'Judge what your code computed for the cases'
complete -c triform -n "__fish_triform_using_subcommand help; and not __fish_seen_subcommand_from verify refute explain count diagnose forward train cases check grade adequacy bench init plot completions help" -f -a "grade" -d 'Grade the submissions of a class'
complete -c triform -n "__fish_triform_using_subcommand help; and not __fish_seen_subcommand_from verify refute explain count diagnose forward train cases check grade adequacy bench init plot completions help" -f -a "adequacy" -d 'Say which known mistakes your test data would miss'
complete -c triform -n "__fish_triform_using_subcommand help; and not __fish_seen_subcommand_from verify refute explain count diagnose forward train cases check grade adequacy bench init plot completions help" -f -a "bench" -d 'Time the three forms on this machine'
complete -c triform -n "__fish_triform_using_subcommand help; and not __fish_seen_subcommand_from verify refute explain count diagnose forward train cases check grade adequacy bench init plot completions help" -f -a "init" -d 'Write a freshly initialised checkpoint'
complete -c triform -n "__fish_triform_using_subcommand help; and not __fish_seen_subcommand_from verify refute explain count diagnose forward train cases check grade adequacy bench init plot completions help" -f -a "plot" -d 'Draw the figures'
complete -c triform -n "__fish_triform_using_subcommand help; and not __fish_seen_subcommand_from verify refute explain count diagnose forward train cases check grade adequacy bench init plot completions help" -f -a "completions" -d 'Write the completions for a shell, or the manual page'
complete -c triform -n "__fish_triform_using_subcommand help; and not __fish_seen_subcommand_from verify refute explain count diagnose forward train cases check grade adequacy bench init plot completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
