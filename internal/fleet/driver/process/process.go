// Package process is the embedded fleet driver: each instance is a `lamina
// agent` child of this host, in a session of its own and, where the kernel
// permits, in PID and mount namespaces and a cgroup of its own.
package process
