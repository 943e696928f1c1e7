// Probe is the function that the conformance suite runs inside a sandbox.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

// main takes the environment's id, by which the suite finds it on the host, what
// to do, and how.
func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: probe ID WHAT ARG…")
		os.Exit(2)
	}
	os.Exit(probe(os.Args[1], os.Args[2], os.Args[3:]))
}

// probe is the function that looks around in the sandbox.
func probe(id, what string, args []string) int {
	switch what {
	case "env":
		fmt.Print(strings.Join(os.Environ(), "\n"))
	case "id":
		printIdentity()
	case "write":
		for _, name := range args {
			report(name, os.WriteFile(name, []byte("x"), 0o644))
		}
	case "read":
		for _, name := range args {
			f, err := os.Open(name)
			f.Close()
			report(name, err)
		}
	case "tmp":
		probeTmp(args[0])
	case "fill":
		err := os.WriteFile(filepath.Join(args[0], "big"), make([]byte, 4<<20), 0o644)
		var pe *os.PathError
		errors.As(err, &pe)
		fmt.Println(pe.Err)
	case "lines":
		printLines()
	case "exit":
		code, _ := strconv.Atoi(args[0])
		return code
	case "term":
		ch := make(chan os.Signal, 1)
		signal.Notify(ch, syscall.SIGTERM)
		fmt.Println("ready")
		<-ch
		return 43
	case "sleep":
		fmt.Println("up")
		time.Sleep(time.Hour)
	case "tree", "orphans":
		return growTree(id, what == "tree", args[0] == "true")
	case "orphan":
		return leaveOrphan(id)
	case "raise":
		fmt.Println(syscall.Exec("/bin/sh", []string{"sh", "-c", "kill -" + args[0] + " $$; sleep 3"}, nil)) // Go has handlers of its own
	case "descriptors":
		printDescriptors()
	case "brood":
		return brood(id)
	case "nap":
		time.Sleep(50 * time.Millisecond)
	case "dead":
		countOrphans(id)
	case "serve":
		return serve()
	case "crowd":
		return crowd(id, args[0])
	case "names":
		printNames()
	case "namespaces":
		printNamespaces(args)
	case "network":
		printNetwork(args)
	case "calls":
		tryCalls()
	case "privileges":
		tryPrivileges()
	case "alloc":
		n, _ := strconv.Atoi(args[0])
		b := bytes.Repeat([]byte{1}, n<<20)
		fmt.Println("allocated")
		return int(b[len(b)-1]) - 1
	case "spin":
		spin()
	case "dial":
		return dial(args[0])
	}
	return 0
}

func report(name string, err error) {
	if err != nil {
		fmt.Println(name, "refused:", err)
		return
	}
	fmt.Println(name, "ok")
}

func printIdentity() {
	cwd, _ := os.Getwd()
	var nofile syscall.Rlimit
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &nofile)
	fmt.Printf("cwd %s\nuid %d\ngid %d\npid %d\nnofile %d\n", cwd, os.Getuid(), os.Getgid(), os.Getpid(), nofile.Max)
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		fmt.Println(strings.ToLower(key), strings.TrimSpace(value))
	}
}

func probeTmp(dir string) {
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) == 0 {
		fmt.Println("empty")
	}
	if os.WriteFile(filepath.Join(dir, "mine"), []byte("x"), 0o644) == nil {
		fmt.Println("written")
	}
}

func printLines() {
	var b bytes.Buffer
	for i := range 1000 {
		fmt.Fprintln(&b, "line", i)
	}
	fmt.Fprintln(&b, strings.Repeat("x", sandbox.MaxLine+10))
	fmt.Fprintln(&b, "end")
	os.Stdout.Write(b.Bytes())
	fmt.Fprint(os.Stderr, "to stderr\ncut off")
}

// growTree has three children, one of them in a session of its own if asked.
func growTree(id string, stay, leave bool) int {
	for i := range 3 {
		cmd := exec.Command("/proc/self/exe", id, "sleep", "")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: leave && i == 2}
		out, _ := cmd.StdoutPipe()
		if err := cmd.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if n, err := out.Read(make([]byte, 8)); n == 0 || err != nil {
			fmt.Fprintln(os.Stderr, "child did not start")
			return 1
		}
	}
	fmt.Println("ready")
	if stay {
		time.Sleep(time.Hour)
	}
	return 0
}

// crowd starts as many processes as it is told, all of them sleeping.
func crowd(id, count string) int {
	n, _ := strconv.Atoi(count)
	for i := range n {
		if err := exec.Command("/proc/self/exe", id, "sleep", "").Start(); err != nil {
			fmt.Fprintln(os.Stderr, i, err)
			return 1
		}
	}
	fmt.Println("all", n)
	return 0
}

func printNames() {
	for _, name := range []string{"sandbox.localdomain", "sandbox", "localhost"} {
		addrs, err := net.LookupHost(name)
		if err != nil {
			fmt.Println(name, err)
			continue
		}
		fmt.Println(name, addrs[0])
	}
	if u, err := user.Current(); err == nil {
		fmt.Println("user", u.Username)
	}
	host, _ := os.Hostname()
	fmt.Println("hostname", host)
}

func printNamespaces(names []string) {
	for _, name := range names {
		link, _ := os.Readlink("/proc/self/ns/" + name)
		fmt.Println(name, link)
	}
	processes, _ := filepath.Glob("/proc/[0-9]*")
	fmt.Println("processes", len(processes))
}

// printNetwork tells the interfaces and which addresses can be reached.
func printNetwork(addrs []string) {
	list, _ := net.Interfaces()
	var names []string
	for _, i := range list {
		names = append(names, i.Name)
	}
	fmt.Println("interfaces", names)
	for _, addr := range addrs {
		if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			conn.Close()
			fmt.Println("reached", addr)
		}
	}
	fmt.Println("done")
}

// spin uses about 200 ms of CPU and 64 MiB.
func spin() {
	b := bytes.Repeat([]byte{1}, 64<<20)
	for used := time.Duration(0); used < 200*time.Millisecond; {
		for i := range b {
			b[i]++
		}
		var ru syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
		used = time.Duration(ru.Utime.Nano())
	}
	fmt.Println("ready")
	time.Sleep(time.Hour)
	fmt.Println(b[0])
}

func dial(addr string) int {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("hello")); err != nil {
		return 1
	}
	return 0
}

// leaveOrphan ends before its child does.
func leaveOrphan(id string) int {
	if err := exec.Command("/proc/self/exe", id, "nap").Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// printDescriptors lists what the process was given: what a Go program opens for
// itself is not open yet or says so.
func printDescriptors() {
	for fd := range 64 {
		var st syscall.Stat_t
		if syscall.Fstat(fd, &st) != nil {
			continue
		}
		if flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0); errno == 0 && flags&syscall.FD_CLOEXEC == 0 {
			fmt.Println(fd)
		}
	}
}

// brood leaves orphans behind and waits until they have died and been buried.
func brood(id string) int {
	for range 20 {
		if err := exec.Command("/proc/self/exe", id, "orphan").Run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if alive, dead := orphans(id); alive+dead == 0 {
			break
		}
	}
	countOrphans(id)
	return 0
}

// countOrphans tells how many naps there are, and how many dead processes.
func countOrphans(id string) {
	alive, dead := orphans(id)
	fmt.Println("alive", alive)
	fmt.Println("dead", dead)
}

func orphans(id string) (alive, dead int) {
	files, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range files {
		stat, _ := os.ReadFile(dir + "/stat")
		if i := bytes.LastIndexByte(stat, ')'); i > 0 && bytes.HasPrefix(stat[i:], []byte(") Z")) {
			dead++
		}
		if cmdline, _ := os.ReadFile(dir + "/cmdline"); bytes.Contains(cmdline, []byte(id+"\x00nap")) {
			alive++
		}
	}
	return alive, dead
}

// serve answers one connection.
func serve() int {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("serving", l.Addr())
	conn, err := l.Accept()
	if err != nil {
		return 1
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("hello")); err != nil {
		return 1
	}
	return 0
}
