#!/bin/bash
# A training on a SLURM cluster, in as many jobs as it needs:
#
#   sbatch examples/slurm.sh
#
# The run folder has to be on a disk that all nodes see.
#SBATCH --job-name=convmixer
#SBATCH --gpus=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=64G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
# A minute before the time is over the training gets SIGTERM, as it does from
# SLURM when the job is preempted.
#SBATCH --signal=TERM@60

srun examples/train_or_resume.sh runs/cifar10 \
    --dataset cifar10 --mixed-precision auto --backup-minutes 10
status=$?
if [ "$status" -eq 130 ]; then # It was stopped before its end.
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
