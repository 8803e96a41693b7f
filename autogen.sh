#!/bin/sh
# Make ./configure from a checkout; a release tarball has it already.
cd "$(dirname "$0")" && mkdir -p m4 build-aux && exec autoreconf --install --warnings=none
