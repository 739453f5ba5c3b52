#!/bin/busybox sh
# The guest's first program: mounts the host's files, read-only under a layer of the guest's own that is
# forgotten at the end, and goes on there with guest.sh.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
set -ea
. /settings

for module in /modules/*; do
  insmod "$module"
done
mkdir -p /host /own /root
mount -t virtiofs -o ro host /host
mount -t tmpfs own /own
mkdir /own/upper /own/work
mount -t overlay -o lowerdir=/host,upperdir=/own/upper,workdir=/own/work root /root
umount /proc
exec switch_root /root /bin/bash "$PROJECT/tools/kernels/guest.sh"
