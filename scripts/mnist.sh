#!/usr/bin/env bash
# Downloads MNIST (LeCun, Cortes, Burges) into the given folder and verifies the uncompressed files' SHA-256.
set -euo pipefail
folder=${1:-data/mnist}
mirrors=(
  https://ossci-datasets.s3.amazonaws.com/mnist
  https://storage.googleapis.com/cvdf-datasets/mnist
)
files=(
  "train-images-idx3-ubyte ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
  "train-labels-idx1-ubyte 65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
  "t10k-images-idx3-ubyte 0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
  "t10k-labels-idx1-ubyte ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
)
command -v curl >/dev/null || { echo "mnist: curl is needed to download" >&2; exit 1; }
mkdir -p "$folder"

verified() { # path, sha256 of the content
  [ -f "$1" ] && [ "$(gzip -dc "$1" 2>/dev/null | sha256sum | cut -d' ' -f1)" = "$2" ]
}

for entry in "${files[@]}"; do
  name=${entry% *} sum=${entry#* } path=$folder/${entry% *}.gz
  if verified "$path" "$sum"; then echo "mnist: $path is there"; continue; fi
  ok=
  for mirror in "${mirrors[@]}"; do
    echo "mnist: $mirror/$name.gz"
    if curl -fsSL --retry 2 -o "$path.part" "$mirror/$name.gz" && verified "$path.part" "$sum"; then
      mv "$path.part" "$path"
      ok=1
      break
    fi
    rm -f "$path.part"
  done
  [ -n "$ok" ] || { echo "mnist: $name.gz could not be downloaded with the right checksum; copy it to $path by hand" >&2; exit 1; }
done
