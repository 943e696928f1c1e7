package runtimes

import (
	"cmp"
	"maps"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Function is what a function's command and environment variables are made of.
type Function struct {
	Name, Version, Handler string
	MemoryMB               int
	VCPUs                  int // at least 1; fewer than one counts as one
	Region                 string
	AccessKeyID            string
	SecretAccessKey        string
	SessionToken           string
	LogGroup, LogStream    string
	LogFormat, LogLevel    string // LogFormat "" means JSON; LogLevel may be ""
	RuntimeAPI             string // host:port
	MaxConcurrency         int    // 0: ordinary function, the variable stays unset
	ManagedInstances       bool   // lambda-managed-instances, else on-demand
	XRayDaemon             string // host:port; "" means the variable's AWS default
	Customer               map[string]string
	LogSocket              string // where workers of managed functions may send lines; "" means stdout only
	Image                  bool   // a container image: it has a handler, path and locale of its own
	LayerBootstrap         bool   // provided runtimes: the executable is a layer's (InLayer)
}

// defaultXRayDaemon is AWS's, where nothing listens here: the X-Ray SDKs send
// datagrams and expect no answer.
const defaultXRayDaemon = "169.254.79.129:2000"

// overridable are the reserved names that a customer may set nevertheless.
var overridable = []string{
	"AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL", "AWS_XRAY_CONTEXT_MISSING", "AWS_XRAY_DAEMON_ADDRESS",
	"LANG", "LD_LIBRARY_PATH", "PATH", "TZ",
}

// alwaysReserved are reserved even where the service sets none of them.
var alwaysReserved = []string{
	"AWS_LAMBDA_MAX_CONCURRENCY", "AWS_XRAY_DAEMON_PORT", "AWS_XRAY_TRACE_ID", "AWS_EXECUTION_ENV", "AWS_SESSION_TOKEN",
	"AWS_LAMBDA_LOG_LEVEL", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
}

// Environment gives the variables of one environment, sorted, as NAME=value:
// exactly those of the service, the customer's filtered by its rules, and extra
// (Command's) where neither of them has the name.
func Environment(f Function, l Layout, extra []string) []string {
	return environment(f, l, extra, []map[string]string{runtimeOnly(f, l), common(f, l)})
}

// ExtensionEnvironment gives the variables of an external extension: those that
// are not for the runtime alone, the customer's by the same rules, and extra.
func ExtensionEnvironment(f Function, l Layout, extra []string) []string {
	list := environment(f, l, extra, []map[string]string{common(f, l)})
	hidden := runtimeOnly(f, l)
	return slices.DeleteFunc(list, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		_, customers := f.Customer[name]
		_, ofRuntime := hidden[name]
		return ofRuntime && !(customers && slices.Contains(overridable, name))
	})
}

func environment(f Function, l Layout, extra []string, parts []map[string]string) []string {
	set := map[string]string{}
	for _, v := range extra {
		name, value, _ := strings.Cut(v, "=")
		set[name] = value
	}
	reserved := map[string]bool{}
	for _, name := range alwaysReserved {
		reserved[name] = true
	}
	for _, part := range parts {
		for name, value := range part {
			set[name], reserved[name] = value, true
		}
	}
	for name, value := range f.Customer {
		if strings.HasPrefix(name, "_") || reserved[name] && !slices.Contains(overridable, name) {
			continue
		}
		set[name] = value
	}
	list := make([]string, 0, len(set))
	for name, value := range set {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// runtimeOnly is what extensions do not get.
func runtimeOnly(f Function, l Layout) map[string]string {
	daemon := cmp.Or(f.XRayDaemon, defaultXRayDaemon)
	host, port, err := net.SplitHostPort(daemon)
	if err != nil {
		host, port = daemon, "2000"
	}
	set := map[string]string{
		"LAMBDA_TASK_ROOT":           l.Task,
		"LAMBDA_RUNTIME_DIR":         l.Runtime,
		"AWS_LAMBDA_LOG_GROUP_NAME":  f.LogGroup,
		"AWS_LAMBDA_LOG_STREAM_NAME": f.LogStream,
		"AWS_XRAY_CONTEXT_MISSING":   "LOG_ERROR",
		"AWS_XRAY_DAEMON_ADDRESS":    daemon,
		"_AWS_XRAY_DAEMON_ADDRESS":   host,
		"_AWS_XRAY_DAEMON_PORT":      port,
	}
	if f.LogSocket != "" {
		set["_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET"] = f.LogSocket
	}
	if f.Image {
		set["AWS_EXECUTION_ENV"] = "AWS_Lambda_Image"
	} else {
		set["_HANDLER"] = f.Handler
	}
	if f.MaxConcurrency > 0 {
		set["AWS_LAMBDA_MAX_CONCURRENCY"] = strconv.Itoa(f.MaxConcurrency)
	}
	return set
}

// ofZip are the variables that code packages have and container images set themselves.
func ofZip(l Layout) map[string]string {
	return map[string]string{
		"LANG": "en_US.UTF-8",
		"TZ":   ":UTC",
		"PATH": l.Lang + "/bin:/usr/local/bin:/usr/bin/:/bin:" + l.Opt + "/bin",
		"LD_LIBRARY_PATH": strings.Join([]string{
			l.Lang + "/lib", "/lib64", "/usr/lib64", l.Runtime, path.Join(l.Runtime, "lib"), l.Task, path.Join(l.Task, "lib"), path.Join(l.Opt, "lib"),
		}, ":"),
	}
}

// imagePath is PATH of images that set none, as of Docker.
const imagePath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// ImageVariables are an image's own variables for Environment.
func ImageVariables(own []string) []string { return append([]string{imagePath}, own...) }

// common is for the runtime and extensions alike.
func common(f Function, l Layout) map[string]string {
	kind := "on-demand"
	if f.ManagedInstances {
		kind = "lambda-managed-instances"
	}
	set := map[string]string{
		"AWS_REGION":                      f.Region,
		"AWS_DEFAULT_REGION":              f.Region,
		"AWS_LAMBDA_FUNCTION_NAME":        f.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     f.Version,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(f.MemoryMB),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  kind,
		"AWS_LAMBDA_RUNTIME_API":          f.RuntimeAPI,
		"AWS_LAMBDA_LOG_FORMAT":           cmp.Or(f.LogFormat, "JSON"), // upper case: aws-lambda-go compares exactly
	}
	if !f.Image {
		maps.Copy(set, ofZip(l))
	}
	if f.LogLevel != "" {
		set["AWS_LAMBDA_LOG_LEVEL"] = f.LogLevel
	}
	if f.AccessKeyID != "" {
		set["AWS_ACCESS_KEY_ID"], set["AWS_SECRET_ACCESS_KEY"], set["AWS_SESSION_TOKEN"] = f.AccessKeyID, f.SecretAccessKey, f.SessionToken
	}
	return set
}
