#!/bin/sh
# Builds both overlays and holds them against the schemas of Kubernetes, where a field that does not exist is an error.
set -eu
cd "$(dirname "$0")"
uv=../../.venv/bin/uv
if ! kubectl version --client >/dev/null 2>&1; then
    echo "kubectl is missing: install version 1.27 or newer (https://kubernetes.io/docs/tasks/tools/); Debian 13 has it as kubernetes-client." >&2
    exit 2
fi
drafts=$(mktemp -d)
trap 'rm -rf "$drafts"' EXIT
for overlay in dev prod; do
    kubectl kustomize "$overlay" >"$drafts/$overlay.yaml"
    "$uv" tool run --from kubernetes-validate==1.37.0 kubernetes-validate --strict --quiet "$drafts/$overlay.yaml"
    echo "$overlay: $(grep -c '^kind:' "$drafts/$overlay.yaml") objects, all valid"
done
