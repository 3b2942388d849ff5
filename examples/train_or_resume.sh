#!/bin/sh
# Starts a training, or goes on with it where its run folder is there already.
#
#   examples/train_or_resume.sh RUN OPTION...
#
# SIGTERM ends it with status 130 and a backup of the steps that are done. The
# status of a finished training that is started again is 2.
run=$1
shift
if [ -e "$run/config.json" ]; then
    exec convmixer train --resume "$run"
fi
exec convmixer train --run "$run" "$@"
