package finding

// Language is a runtime's, by what requests of one environment share.
type Language string

// The languages. In Python each request has a process for itself while it
// runs, the next one finds what it left there; in the others requests that
// overlap share the memory.
const (
	Python Language = "python"
	Node   Language = "nodejs"
	Java   Language = "java"
	Native Language = "provided"
)

// Shares says what two requests of one environment have in common.
func (l Language) Shares() string {
	switch l {
	case Python:
		return "each request has a worker process while it runs; the next request in that process finds its globals, and all workers share /tmp"
	case Node:
		return "requests that overlap share a worker thread with its module variables wherever one awaits, and all share /tmp"
	case Java:
		return "requests run on threads of one process: they share static fields, singletons and /tmp"
	default:
		return "requests run at once in one process: they share package variables, captured variables and /tmp"
	}
}

// remedies by kind; "" is for every language that has none of its own.
var remedies = map[Kind]map[Language]string{
	AnswerCrossed: {
		"":     "Find where this request's data is kept outside of the request (variable, file, client with headers), and keep it in local variables or pass it as an argument.",
		Python: "Keep the request's data in local variables, arguments or a contextvars.ContextVar that each invocation sets; make nothing that outlives the handler remember it.",
		Node:   "Keep the request's data in local variables (const inside the handler) or in an AsyncLocalStorage that is run anew for each invocation; module variables are shared over every await.",
	},
	AnswerChanged: {
		"":     "Find what the answer depends on besides its event: state left by other requests or touched by them meanwhile; compute it inside the handler, or guard the read, the change and the write together.",
		Python: "Find what the handler reads that earlier requests changed (globals, default arguments, files in /tmp) and compute it anew from the event.",
	},
	DataRace: {
		"": "Keep the value in local variables or arguments of the request; where all requests must share it, guard every read and write with one sync.Mutex, or use sync/atomic, sync.Map or a channel.",
	},
	GlobalMutated: {
		"":     "Make it a local variable, or keep it by request (a map keyed by request id that is emptied at the end).",
		Python: "Make it local to the handler (no `global`, no shared dict); for context that many functions need use a contextvars.ContextVar set at the begin of each invocation; a mutable default argument becomes None and is made inside.",
		Node:   "Declare it inside the handler; for context that many functions need use AsyncLocalStorage.run() around the handler's body.",
	},
	ClassMutated: {
		"": "Set it on an instance made for this request (self.x, this.x) instead of on the class, whose attributes all requests share.",
	},
	EnvironmentMutated: {
		"":     "Environment variables belong to the process: pass the value as an argument, or to the child process alone (its own env).",
		Python: "Environment variables outlive the request in its process: pass the value as an argument, and to child processes with subprocess.run(..., env={**os.environ, ...}).",
	},
	ProcessState: {
		"":     "Working folder, locale, umask and the like belong to the process. Use absolute paths, pass cwd= to child processes, format with explicit locales.",
		Python: "It stays changed for the next request in this process. Use absolute paths (pathlib), pass cwd= to subprocess.run, format with an explicit locale; or restore it in a finally block.",
	},
	TmpShared: {
		"":     "Give each request its own file, named by a random or request id, and remove it at the end; a cache in /tmp is written under another name and renamed.",
		Python: "Use tempfile.NamedTemporaryFile or TemporaryDirectory per request; a cache in /tmp is written to a temporary name and put in place by os.replace().",
		Node:   "Use fs.mkdtemp per request (or crypto.randomUUID() in the name); a cache in /tmp is written to a temporary name and put in place by fs.rename().",
	},
	MemoryGrows:       {"": "Bound what is kept between requests: a cache with a limit (LRU) or an age, no list that only grows, listeners and timers removed."},
	DescriptorsGrow:   {"": "Close what the handler opens, also after errors (with, try/finally, defer), or open it once outside of the handler and use it again."},
	ThreadsGrow:       {"": "Start threads once, outside of the handler (a pool of fixed size), or end and join them before the answer."},
	ChildrenGrow:      {"": "Wait for each child process before the answer (subprocess.run, wait()), and end it when the request fails."},
	LoopBlocked:       {"": "Nothing else runs in this worker meanwhile. Use the asynchronous call (fs.promises, crypto with a callback, execFile), cut long work into parts, or move it to a worker thread."},
	ConnectionPerCall: {"": "Make the client outside of the handler and use it again, with keep-alive: connections are slow to open and limited at the other side."},
	WorkAfterAnswer: {
		"":     "Finish the work before the answer, or hand it to a queue: it runs while another request does, and stops whenever the environment is frozen or ended.",
		Node:   "Await every promise before returning (Promise.all); clear timers: what still runs shares the worker with the next request.",
		Python: "Join the thread or wait for the future before returning: what still runs shares the process with the next request.",
	},
	EnvironmentsDiffer: {"": "What is made at init differs in every environment (and in Python in every worker): take keys and seeds from configuration or a secret store, keep shared state outside."},
	OutlivesTimeout:    {"": "Nobody reads the answer any more, but the slot stays taken. Give every wait a limit below context.get_remaining_time_in_millis() (getRemainingTimeInMillis, ctx.Deadline) and end the work when it is reached."},
	LogLine: {
		"":     "Write log lines as JSON with the request id: lines of requests that overlap stand mixed in one stream.",
		Python: "Use the logging module (it adds requestId), or put context.aws_request_id into the JSON that you print.",
		Node:   "Use console.log (it adds requestId) instead of process.stdout.write, or put context.awsRequestId into the JSON that you write.",
	},
	CrashOverlapped: {"": "The runtime ended while requests overlapped, and never did alone: look for shared native state, exhausted memory or an exit call, and at the log lines before."},
}

// RemedyFor says how to mend a kind in a language.
func RemedyFor(k Kind, l Language) string {
	if text, ok := remedies[k][l]; ok {
		return text
	}
	return remedies[k][""]
}
