#!/bin/sh
# A shell pipeline as tasks: the whole, and each stage as its child. `quell run` wraps any command; a
# cancel of the whole stops the stages too.
#
#   pipeline.sh [SECONDS]
set -eu
quell=${QUELL:-quell}
seconds=${1:-30}

if [ -z "${QUELL_PIPELINE_STAGE:-}" ]; then
  export QUELL_PIPELINE_STAGE=whole
  exec "$quell" run --action report/nightly --description "export, then count" -- "$0" "$seconds"
fi

"$quell" run --action report/nightly:export -- \
  sh -c 'i=0; while [ "$i" -lt "$1" ]; do i=$((i + 1)); echo "row $i"; sleep 1; done' export "$seconds" |
  "$quell" run --action report/nightly:count -- wc -l
