// Package hostfs says what an environment sees of the host's files, all of it
// read-only, and which few files it has instead of the host's.
package hostfs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// The programs and libraries are needed by interpreters that are installed
// there; of /etc only what name resolution, certificates and the dynamic linker need.
var (
	dirs = []string{"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix/store", "home/linuxbrew/.linuxbrew"}
	etc  = []string{
		"alternatives", "ca-certificates", "crypto-policies", "gai.conf", "host.conf", "ld.so.cache", "ld.so.conf",
		"ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "pki", "protocols", "resolv.conf", "services", "ssl",
	}
)

// Devices are the device files of an environment, below /dev.
var Devices = []string{"null", "zero", "full", "random", "urandom"}

// DeviceLinks are the usual links below /dev.
var DeviceLinks = map[string]string{
	"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
}

// Entry is a file or folder of the host, or a link, that the environment sees.
type Entry struct {
	Path   string // below the root, without leading slash
	Source string // on the host; "" for a link
	Link   string // where a link points to
}

// ResolverFile is the name of the resolver's configuration, below etc.
const ResolverFile = "resolv.conf"

// Entries lists what this host has. An environment with a resolver of its own
// does not see the host's.
func Entries(resolver string) ([]Entry, error) {
	var list []Entry
	for _, name := range dirs {
		st, err := os.Lstat("/" + name)
		if err != nil {
			continue // not every host has all of them
		}
		e := Entry{Path: name, Source: "/" + name}
		if st.Mode()&fs.ModeSymlink != 0 {
			e.Source = ""
			if e.Link, err = os.Readlink("/" + name); err != nil {
				return nil, err
			}
		}
		list = append(list, e)
	}
	for _, name := range slices.Concat(etc, openJDKs()) {
		if name == ResolverFile && resolver != "" {
			continue
		}
		if src, err := filepath.EvalSymlinks("/etc/" + name); err == nil {
			list = append(list, Entry{Path: "etc/" + name, Source: src})
		}
	}
	return list, nil
}

// openJDKs are folders that Debian's JVMs, which lie below /usr, have links into and do not start without.
func openJDKs() (names []string) {
	folders, _ := filepath.Glob("/etc/java-*-openjdk") // the pattern is well formed
	for _, f := range folders {
		names = append(names, filepath.Base(f))
	}
	return names
}

// Files are an environment's own files below /etc.
func Files(uid, gid int, resolver string) map[string]string {
	files := map[string]string{
		"passwd": fmt.Sprintf("root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:x:%d:%d::/home/sbx_user1051:/sbin/nologin\n", uid, gid),
		"group":  fmt.Sprintf("root:x:0:\nrdsdb:x:%d:\n", gid),
		"hosts":  "127.0.0.1 localhost\n127.0.0.1 sandbox.localdomain sandbox\n::1 localhost ip6-localhost\n",
	}
	if resolver != "" {
		files[ResolverFile] = "nameserver " + resolver + "\n"
	}
	return files
}
