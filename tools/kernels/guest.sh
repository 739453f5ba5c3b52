# Second part of the guest's start, on the host's files: the file systems that a machine has, then the tests,
# whose output goes to the host through a virtio port. Never returns: the guest is powered off.
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
for place in /dev/shm /run /tmp; do
  mount -t tmpfs tmpfs "$place"
done
mount -t bpf bpf /sys/fs/bpf
# Where Debian's hybrid layout has it, and the machines that this project is developed on.
mount -t tmpfs tmpfs /sys/fs/cgroup
mkdir /sys/fs/cgroup/unified
mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
# Kept from guest to guest: what Node and clang made of sources, which takes them long here.
mount -t virtiofs cache "$CACHE"

mkdir -p /lib/modules
ln -sfn "$KERNEL_ROOT/lib/modules/$(uname -r)" "/lib/modules/$(uname -r)"
hostname guest
ip link set lo up

for port in /sys/class/virtio-ports/*; do
  [ "$(cat "$port/name")" = output ] && output=/dev/${port##*/}
done
export PATH="$PROJECT/.toolchain/node_modules/node/bin:$PROJECT/node_modules/.bin:/usr/sbin:/usr/bin"
export HOME=/root NODE_COMPILE_CACHE="$CACHE/node" TSILIUM_TEST_OBJECTS="$CACHE/objects"
cd "$PROJECT" || exit
node tools/kernels/guest.ts $PATTERN >"$output" 2>&1 </dev/null
# What is written to the port is on its way still.
sync
sleep 0.5
echo o >/proc/sysrq-trigger
sleep 60
