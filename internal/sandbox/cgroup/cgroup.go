// Package cgroup limits and measures execution environments by the kernel's
// control groups, version 1 or 2.
package cgroup
