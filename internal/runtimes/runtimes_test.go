package runtimes

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestEnvironmentOfManagedInstances(t *testing.T) {
	got := Environment(Function{
		Name: "f", Version: "7", Handler: "app.h", MemoryMB: 2048, Region: "eu-west-1", AccessKeyID: "ASIA", SecretAccessKey: "s", SessionToken: "t",
		LogGroup: "/aws/lambda/f", LogStream: "2026/11/24/f[7]abc", LogLevel: "INFO", RuntimeAPI: "127.0.0.1:9001", MaxConcurrency: 16, ManagedInstances: true,
		Customer: map[string]string{
			"MINE": "a=b", "_X": "dropped", "AWS_REGION": "dropped", "AWS_XRAY_TRACE_ID": "dropped", "AWS_LAMBDA_MAX_CONCURRENCY": "99",
			"LANG": "C", "TZ": "Europe/Berlin", "AWS_LAMBDA_LOG_LEVEL": "DEBUG", "PYTHONPATH": "/var/task/lib", "LAMBDA_TASK_ROOT": "/x",
		},
	}, serviceLayout, []string{"AWS_EXECUTION_ENV=AWS_Lambda_python3.13"})
	want := strings.Fields(`
AWS_ACCESS_KEY_ID=ASIA
AWS_DEFAULT_REGION=eu-west-1
AWS_EXECUTION_ENV=AWS_Lambda_python3.13
AWS_LAMBDA_FUNCTION_MEMORY_SIZE=2048
AWS_LAMBDA_FUNCTION_NAME=f
AWS_LAMBDA_FUNCTION_VERSION=7
AWS_LAMBDA_INITIALIZATION_TYPE=lambda-managed-instances
AWS_LAMBDA_LOG_FORMAT=JSON
AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/f
AWS_LAMBDA_LOG_LEVEL=DEBUG
AWS_LAMBDA_LOG_STREAM_NAME=2026/11/24/f[7]abc
AWS_LAMBDA_MAX_CONCURRENCY=16
AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001
AWS_REGION=eu-west-1
AWS_SECRET_ACCESS_KEY=s
AWS_SESSION_TOKEN=t
AWS_XRAY_CONTEXT_MISSING=LOG_ERROR
AWS_XRAY_DAEMON_ADDRESS=169.254.79.129:2000
LAMBDA_RUNTIME_DIR=/var/runtime
LAMBDA_TASK_ROOT=/var/task
LANG=C
LD_LIBRARY_PATH=/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib
MINE=a=b
PATH=/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin
PYTHONPATH=/var/task/lib
TZ=Europe/Berlin
_AWS_XRAY_DAEMON_ADDRESS=169.254.79.129
_AWS_XRAY_DAEMON_PORT=2000
_HANDLER=app.h`)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestEnvironmentOfOrdinaryFunctions(t *testing.T) {
	got := Environment(Function{Name: "f", LogFormat: "Text", Customer: map[string]string{"AWS_LAMBDA_MAX_CONCURRENCY": "4", "AWS_SESSION_TOKEN": "x"}}, serviceLayout, nil)
	for _, want := range []string{"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand", "AWS_LAMBDA_LOG_FORMAT=Text"} {
		if !slices.Contains(got, want) {
			t.Errorf("no %s", want)
		}
	}
	for _, v := range got {
		for _, name := range []string{"AWS_LAMBDA_MAX_CONCURRENCY", "AWS_LAMBDA_LOG_LEVEL", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_EXECUTION_ENV"} {
			if strings.HasPrefix(v, name+"=") {
				t.Errorf("%s is set", v)
			}
		}
	}
}

// script writes an executable that stands for an interpreter.
func script(t *testing.T, path, body string) {
	t.Helper()
	os.MkdirAll(filepath.Dir(path), 0o755)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func speaks(version, path, prefix string) string {
	return `echo '{"version":"` + version + `","prefix":"` + prefix + `","path":"` + path + `","implementation":"cpython"}'`
}

func TestFindSkipsShimsThatFail(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("PYENV_ROOT", filepath.Join(home, "pyenv"))
	t.Setenv("XDG_DATA_HOME", filepath.Join(home, "data"))
	bin := filepath.Join(home, "bin")
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	const version = "3.77" // which no host has
	fresh := cache{entries: map[cacheKey]cacheEntry{}}

	script(t, filepath.Join(bin, "python"+version), "echo 'pyenv: version not installed' >&2; exit 127")
	script(t, filepath.Join(bin, "python3"), speaks("3.9.1", "/x/bin/python3", "/x"))
	script(t, filepath.Join(home, "pyenv/versions/3.77.2/bin/python3.77"), speaks("3.8.0", "/x", "/x"))
	good := filepath.Join(home, "data/uv/python/cpython-3.77.9-linux/bin/python3.77")
	script(t, good, speaks("3.77.9", good, filepath.Join(home, "data/uv/python/cpython-3.77.9-linux")))
	in, err := fresh.get(t.Context(), "python"+version, "")
	if err != nil || in.Path != good || in.Version != "3.77.9" || in.Prefix != filepath.Dir(filepath.Dir(good)) {
		t.Errorf("%+v %v", in, err)
	}

	override := filepath.Join(home, "mine")
	script(t, override, "exit 1")
	_, err = fresh.get(t.Context(), "python"+version, override)
	if missing, ok := errors.AsType[*MissingError](err); !ok || !strings.Contains(missing.Reason, override) || !strings.Contains(missing.Remedy, "uv python install 3.77") {
		t.Errorf("override: %v", err)
	}

	os.Remove(good) // what was found may go
	if in, err := fresh.get(t.Context(), "python"+version, ""); err == nil && in.Path == good {
		t.Errorf("found what is gone: %+v", in)
	}
}

func TestFindNode(t *testing.T) {
	home := t.TempDir()
	for _, name := range []string{"NVM_DIR", "FNM_DIR", "VOLTA_HOME", "MISE_DATA_DIR", "ASDF_DATA_DIR", "XDG_DATA_HOME", "N_PREFIX"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", home)
	bin := filepath.Join(home, "bin")
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	const runtime = "nodejs77.x" // which no host has
	says := func(version, path, implementation string) string {
		return `echo '{"version":"` + version + `","prefix":"` + filepath.Dir(filepath.Dir(path)) + `","path":"` + path + `","implementation":"` + implementation + `"}'`
	}
	find := func() (Interpreter, error) {
		fresh := cache{entries: map[cacheKey]cacheEntry{}}
		return fresh.get(t.Context(), runtime, "")
	}
	script(t, filepath.Join(bin, "node"), says("20.1.0", "/x/bin/node", "node"))
	script(t, filepath.Join(bin, "node77"), says("77.1.0", "/y/bin/node", "bun"))
	_, err := find()
	missing, ok := errors.AsType[*MissingError](err)
	if !ok || !strings.Contains(missing.Reason, "is version 20.1.0") || !strings.Contains(missing.Reason, "is bun") ||
		!strings.Contains(missing.Remedy, "`npm install --prefix ~/.local/share/lamina/nodejs77.x "+nodePackage()+"@77`") {
		t.Errorf("%v", err)
	}
	for _, place := range []string{
		".local/share/lamina/nodejs77.x/node_modules/" + nodePackage(), ".local/share/mise/installs/node/77.2.1", ".volta/tools/image/node/77.3.0",
		".local/share/fnm/node-versions/v77.4.0/installation", ".nvm/versions/node/v77.5.0",
	} {
		// Each place comes before those made earlier.
		path := filepath.Join(home, place, "bin/node")
		script(t, path, says("77.0.9", path, "node"))
		if in, err := find(); err != nil || in.Path != path || in.Prefix != filepath.Join(home, place) || in.Version != "77.0.9" {
			t.Errorf("%s: %+v %v", place, in, err)
		}
	}
}

func TestNodeCommand(t *testing.T) {
	in := Interpreter{Runtime: "nodejs22.x", Path: "/home/u/node/bin/node", Prefix: "/home/u/node"}
	argv, env, err := Command("nodejs22.x", in, Function{MemoryMB: 2048, VCPUs: 2}, serviceLayout)
	if err != nil || !slices.Equal(argv, []string{"/var/lang/bin/node", "--expose-gc", "--max-http-header-size=81920", "--max-semi-space-size=102",
		"--max-old-space-size=1843", "/var/runtime/index.mjs"}) {
		t.Errorf("%q %v", argv, err)
	}
	want := []string{"AWS_EXECUTION_ENV=AWS_Lambda_nodejs22.x",
		"NODE_PATH=/opt/nodejs/node22/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task", "LAMINA_VCPUS=2"}
	if !slices.Equal(env, want) {
		t.Errorf("%q", env)
	}
}

func TestCommand(t *testing.T) {
	in := Interpreter{Runtime: "python3.13", Path: "/home/u/py/bin/python3.13", Prefix: "/home/u/py"}
	argv, env, err := Command("python3.13", in, Function{}, serviceLayout)
	if err != nil || !slices.Equal(argv, []string{"/var/lang/bin/python3.13", "-s", "-P", "-B", "/var/runtime/bootstrap.py"}) ||
		!slices.Equal(env, []string{"AWS_EXECUTION_ENV=AWS_Lambda_python3.13"}) {
		t.Errorf("%q %q %v", argv, env, err)
	}
	argv, env, err = Command("python3.13", in, Function{}, Layout{Task: "/d/task", Runtime: "/d/rt", Lang: "/home/u/py", Opt: "/d/opt", Tmp: "/d/tmp"})
	if err != nil || argv[0] != "/home/u/py/bin/python3.13" || !slices.Contains(env, "TMPDIR=/d/tmp") || !slices.Contains(env, "LAMINA_OPT=/d/opt") {
		t.Errorf("%q %q %v", argv, env, err)
	}
	argv, env, err = Command("provided.al2023", Interpreter{}, Function{}, serviceLayout)
	if err != nil || !slices.Equal(argv, []string{"/var/task/bootstrap"}) || len(env) > 0 {
		t.Errorf("%q %q %v", argv, env, err)
	}
	if _, _, err := Command("dotnet8", Interpreter{}, Function{}, serviceLayout); err == nil {
		t.Error("dotnet8 has a command")
	}
}

// TestWrapperScript runs what comes of a wrapper: it gets the runtime's command.
func TestWrapperScript(t *testing.T) {
	dir := t.TempDir()
	in := Interpreter{Runtime: "python3.13", Path: "/home/u/py/bin/python3.13", Prefix: "/home/u/py"}
	layout := Layout{Task: dir, Runtime: "/d/rt", Lang: "/home/u/py", Opt: dir, Tmp: "/d/tmp"}
	for name, mode := range map[string]os.FileMode{"wrapper": 0o755, "plain": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho wrapped $0 \"$@\"\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for wrapper, want := range map[string]string{
		"/opt/wrapper":      "wrapped " + dir + "/wrapper /home/u/py/bin/python3.13 -s -P -B /d/rt/bootstrap.py\n",
		"/var/task/wrapper": "wrapped " + dir + "/wrapper /home/u/py/bin/python3.13 -s -P -B /d/rt/bootstrap.py\n",
		"/opt/none":         dir + "/none: does not exist\nexit status 127",
		"/var/task/plain":   dir + "/plain: is not an executable\nexit status 126",
	} {
		argv, _, err := Command("python3.13", in, Function{Customer: map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": wrapper}}, layout)
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(argv[0], argv[1:]...).Output()
		if err != nil {
			out = append(out, err.Error()...)
		}
		if string(out) != want {
			t.Errorf("%s: %q, want %q", wrapper, out, want)
		}
	}
	argv, _, err := Command("provided.al2023", Interpreter{}, Function{Customer: map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}}, serviceLayout)
	if err != nil || !slices.Equal(argv, []string{"/var/task/bootstrap"}) {
		t.Errorf("a custom runtime: %q %v", argv, err)
	}
}

func TestJavaCommand(t *testing.T) {
	in := Interpreter{Runtime: "java21", Path: "/usr/lib/jvm/java-21-openjdk-amd64/bin/java", Prefix: "/usr/lib/jvm/java-21-openjdk-amd64"}
	argv, env, err := Command("java21", in, Function{MemoryMB: 2048, VCPUs: 2, ManagedInstances: true}, serviceLayout)
	if err != nil || !slices.Equal(argv, []string{"/var/lang/bin/java", "-XX:MaxHeapSize=1782579k", "-XX:ActiveProcessorCount=2", "-XX:-UsePerfData",
		"-Djava.net.preferIPv4Stack=true", "-Dfile.encoding=UTF-8", "-Djava.awt.headless=true", "-cp", "/var/runtime/runtime.jar", "lamina.Main"}) ||
		!slices.Equal(env, []string{"AWS_EXECUTION_ENV=AWS_Lambda_java21"}) {
		t.Errorf("%q %q %v", argv, env, err)
	}
	argv, env, err = Command("java21", in, Function{MemoryMB: 512}, Layout{Task: "/d/task", Runtime: "/d/rt", Lang: "/x", Opt: "/d/opt", Tmp: "/d/tmp"})
	if err != nil || !slices.Contains(argv, "-XX:MaxHeapSize=445644k") || !slices.Contains(argv, "-XX:TieredStopAtLevel=1") || !slices.Contains(env, "LAMINA_OPT=/d/opt") {
		t.Errorf("%q %q %v", argv, env, err)
	}
}

// Only a JVM of the version serves a runtime; else the reason says which command brings one.
func TestFindJava(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("PATH", filepath.Join(home, "bin")+":/bin")
	for _, name := range []string{"JAVA_HOME", "SDKMAN_DIR", "MISE_DATA_DIR", "ASDF_DATA_DIR", "XDG_DATA_HOME"} {
		t.Setenv(name, "")
	}
	says := func(version, home string) string {
		return "printf 'Property settings:\\n    java.home = " + home + "\\n    java.vendor = Nobody\\n    java.version = " + version + "\\n' >&2"
	}
	find := func() (Interpreter, error) {
		fresh := cache{entries: map[cacheKey]cacheEntry{}}
		return fresh.get(t.Context(), "java77", "") // which no host has
	}
	script(t, filepath.Join(home, "bin/java"), says("17.0.15", "/usr/lib/jvm/x"))
	_, err := find()
	missing, ok := errors.AsType[*MissingError](err)
	if !ok || !strings.Contains(missing.Reason, filepath.Join(home, "bin/java")+" (is version 17.0.15)") || !strings.Contains(missing.Remedy, "`lamina runtimes install java77`") {
		t.Errorf("%v", err)
	}
	for version, full := range map[string]string{"77": "77.0.0", "77.0.2": "77.0.2"} {
		dir := filepath.Join(home, ".sdkman/candidates/java", version+".0-tem")
		script(t, filepath.Join(dir, "bin/java"), says(version, dir))
		if in, err := find(); err != nil || in.Version != full || in.Path != filepath.Join(dir, "bin/java") || in.Prefix != dir {
			t.Errorf("%s: %+v %v", version, in, err)
		}
		os.RemoveAll(dir)
	}
}

func TestUnservedRuntimes(t *testing.T) {
	for runtime, reason := range map[string]string{"dotnet8": "not yet served", "cobol": "not known"} {
		_, err := Find(t.Context(), runtime, nil)
		if missing, ok := errors.AsType[*MissingError](err); !ok || !strings.Contains(missing.Error(), reason) {
			t.Errorf("%s: %v", runtime, err)
		}
	}
	reports := Available(t.Context(), Places{})
	if len(reports) != len(known) {
		t.Errorf("%d reports", len(reports))
	}
	for _, r := range reports {
		if r.Served != (r.Problem == nil) {
			t.Errorf("%+v", r)
		}
	}
}

// program is the smallest ELF header for a machine.
func program(m elf.Machine) string {
	b := make([]byte, 64)
	copy(b, elf.ELFMAG+"\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint16(b[16:], uint16(elf.ET_EXEC))
	le.PutUint16(b[18:], uint16(m))
	le.PutUint32(b[20:], 1)
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[58:], 64)
	return string(b)
}

var provided = Interpreter{Runtime: "provided.al2023"}

func TestCheckBootstrap(t *testing.T) {
	host, foreign := elf.EM_X86_64, elf.EM_AARCH64
	hostName, foreignName := "x86_64", "arm64"
	if hostMachine() == "arm64" {
		host, foreign, hostName, foreignName = foreign, host, foreignName, hostName
	}
	for _, tt := range []struct {
		name, body, architecture, want string
		mode                           os.FileMode
	}{
		{"none", "", hostName, "Couldn't find valid bootstrap(s)", 0},
		{"not executable", "#!/bin/sh", hostName, "is not executable", 0o644},
		{"script", "#!/bin/sh\n", hostName, "", 0o755},
		{"text", "hello", hostName, "neither a Linux program nor a script", 0o755},
		{"empty", "", hostName, "neither a Linux program", 0o755},
		{"mac", "\xcf\xfa\xed\xfe", hostName, "is built for macOS", 0o755},
		{"other function architecture", program(host), foreignName, "bootstrap is built for " + hostName + ", but the function's architecture is " + foreignName, 0o755},
		{"foreign", program(foreign), foreignName, "can't run", 0o755},
		{"damaged", elf.ELFMAG, hostName, "damaged", 0o755},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if tt.mode != 0 {
				os.WriteFile(filepath.Join(dir, "bootstrap"), []byte(tt.body), tt.mode)
			}
			err := Check(provided, tt.architecture, dir, "")
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
	exe, _ := os.Executable()
	dir := t.TempDir()
	data, _ := os.ReadFile(exe)
	os.WriteFile(filepath.Join(dir, "bootstrap"), data, 0o755)
	if err := Check(provided, hostName, dir, ""); err != nil && hostMachine() == hostName {
		t.Errorf("a real program: %v", err)
	}
}

// TestLayerBootstrap: the package's own comes first, then a layer's.
func TestLayerBootstrap(t *testing.T) {
	folder := func(body string) string {
		dir := t.TempDir()
		if body != "" {
			if err := os.WriteFile(filepath.Join(dir, "bootstrap"), []byte(body), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	l := Layout{Task: "/var/task", Opt: "/opt", Tmp: "/tmp"}
	odd := t.TempDir()
	if err := os.Mkdir(filepath.Join(odd, "bootstrap"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ task, opt, want string }{
		"own":                {folder("#!/bin/sh"), folder("#!/bin/sh"), "/var/task/bootstrap"},
		"a layer's":          {folder(""), folder("#!/bin/sh"), "/opt/bootstrap"},
		"a folder is none":   {odd, folder("#!/bin/sh"), "/opt/bootstrap"},
		"without layers":     {folder("#!/bin/sh"), "", "/var/task/bootstrap"},
		"none anywhere":      {folder(""), folder(""), ""},
		"a layer's is wrong": {folder(""), folder("text"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := Check(provided, hostMachine(), tt.task, tt.opt)
			if tt.want == "" {
				if err == nil {
					t.Fatal("it would start")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			argv, _, err := Command("provided.al2023", Interpreter{}, Function{LayerBootstrap: InLayer(tt.task, tt.opt)}, l)
			if err != nil || argv[0] != tt.want {
				t.Errorf("%q, %v", argv, err)
			}
		})
	}
}
