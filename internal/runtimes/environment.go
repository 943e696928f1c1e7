package runtimes

// Function is what a function's environment variables are made of.
type Function struct {
	Name, Version, Handler string
	MemoryMB               int
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
}

// Environment gives the variables of one environment, sorted, as NAME=value:
// exactly those of the service, the customer's filtered by its rules.
func Environment(f Function, l Layout, extra []string) []string { panic("todo") }
