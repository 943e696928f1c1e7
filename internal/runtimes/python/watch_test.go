package python_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-dev/lamina/internal/runtimeapi"
	"github.com/lamina-dev/lamina/internal/runtimes/runtimestest"
)

// facts are what a handler leaves behind, each with what the watch says of its second request:
// kind, name, line and, where it matters, a part of the detail.
var facts = map[string]struct {
	code string
	want []string // "kind name line" and what the record's text contains, joined by " | "
}{
	"variable": {
		"user = None\ndef handler(event, context):\n    global user\n    user = event['user']\n    return 1",
		[]string{"global-write app.user 4 | bind | 'anna-1' | 'anna-2'"},
	},
	"new variable": {
		"def handler(event, context):\n    globals()['late' + event['user'][-1]] = event['user']",
		[]string{"global-write app.late2 0 | undefined | anna-2"},
	},
	"same value again": {
		"rates = {}\ndef handler(event, context):\n    global rates\n    rates = {'EUR': [1, 2]}",
		nil,
	},
	"element": {
		"headers = {'a': {'x': 1}}\ndef handler(event, context):\n    headers['a']['x'] = event['user']",
		[]string{"global-write app.headers['a']['x'] 3 | key | 'anna-1' | 'anna-2'"},
	},
	"cache": {
		"cache = {}\ndef handler(event, context):\n    for _ in range(3):\n        cache.setdefault(event['user'], []).append(1)",
		[]string{"global-write app.cache 4 | grow | 'anna-2'"},
	},
	"object": {
		"class Client:\n    def __init__(self): self.token = None\nclient = Client()\ndef handler(event, context):\n    client.token = event['user']",
		[]string{"global-write app.client.token 5 | key | 'anna-2'"},
	},
	"object with slots": {
		"class Client:\n    __slots__ = ('token',)\nclient = Client()\nclient.token = ''\ndef handler(event, context):\n    client.token = event['user']",
		[]string{"global-write app.client.token 6 | key | 'anna-2'"},
	},
	"class": {
		"class Cart:\n    items = []\n    def add(self, what): self.items.append(what)\ndef handler(event, context):\n    Cart().add(event['user'])",
		[]string{"class-write app.Cart.items 3 | grow | 'anna-2'"},
	},
	"new class attribute": {
		"class Session: pass\ndef handler(event, context):\n    Session.user = event['user']",
		[]string{"class-write app.Session.user 3 | 'anna-1' | 'anna-2'"},
	},
	"default argument": {
		"def add(what, to=[]):\n    to.append(what)\n    return to\ndef handler(event, context):\n    return len(add(event['user']))",
		[]string{"default-write app.add(to) 2 | grow | 'anna-2'"},
	},
	"captured variable": {
		"def make():\n    last = [None]\n    def handler(event, context):\n        last[0] = event['user']\n    return handler\nhandler = make()",
		[]string{"closure-write app.handler.last[0] 4 | key | 'anna-1' | 'anna-2'"},
	},
	"another module": {
		"import json.encoder, settings\ndef handler(event, context):\n    json.encoder.flavour = settings.current = event['user']",
		[]string{"global-write settings.current 0 | 'anna-2'"},
	},
	"variable of the environment": {
		"import os\ndef handler(event, context):\n    os.environ['TENANT'] = event['user']",
		[]string{"env-write TENANT 3 | anna-1 | anna-2"},
	},
	"put back": {
		"import os, decimal, contextlib\ndef handler(event, context):\n    os.environ['T'] = event['user']\n    with contextlib.chdir('/tmp'), decimal.localcontext() as c:\n        c.prec = 5\n    old = os.umask(0o77)\n    os.umask(old)\n    del os.environ['T']",
		nil,
	},
	"process": {
		"import os, decimal, socket, sys\ndef handler(event, context):\n    os.umask(0o22 + len(event['user']) % 2)\n    os.chdir('/' if os.getcwd() != '/' else '/tmp')\n    sys.path.append(event['user'])\n    socket.setdefaulttimeout(10 + int(event['user'][-1]))\n    decimal.getcontext().prec += 1",
		[]string{"chdir working folder 4", "process-other sys.path 5 | anna-2", "process-other socket timeout 6 | 12", "process-other decimal 7 | (30,"},
	},
	"logger": {
		"import logging\ndef handler(event, context):\n    logging.getLogger('mine').addFilter(lambda r: True)",
		[]string{"process-other logger mine 3 | 1 filters | 2 filters"},
	},
	"transaction": {
		"import sqlite3\ndb = sqlite3.connect(':memory:')\ndb.execute('create table t (x)')\ndef handler(event, context):\n    if event['user'] == 'anna-2': db.execute('insert into t values (1)')",
		[]string{"process-other transaction of app.db 5 | True"},
	},
	"files": {
		"import os, fcntl\ndef handler(event, context):\n    name = '/tmp/x-' + event['user']\n    with open(name, 'w') as f:\n        fcntl.flock(f, fcntl.LOCK_EX)\n        fcntl.flock(f, fcntl.LOCK_UN)\n    open(name).close()\n    os.replace(name, name + '.y')\n    os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR))\n    os.remove(name)\n    try: open(name)\n    except OSError: pass",
		[]string{
			"file /tmp/x-anna-2 4 | write", "file /tmp/x-anna-2 5 | op:lock", "file /tmp/x-anna-2 6 | unlock", "file /tmp/x-anna-2 7 | read",
			"file /tmp/x-anna-2.y 8 | rename", "file /tmp/x-anna-2 9 | exclusive", "file /tmp/x-anna-2 10 | remove",
		},
	},
	"connection": {
		"import socket\nserver = socket.create_server(('127.0.0.1', 0))\ndef handler(event, context):\n    with socket.create_connection(server.getsockname()): pass",
		[]string{"connection 127.0.0.1: 4"},
	},
	"child": {
		"import subprocess, sys\nkept = []\ndef handler(event, context):\n    subprocess.run(['/bin/true'])\n    kept.append(subprocess.Popen(['/bin/sleep', '60']))",
		[]string{"global-write app.kept 5 | grow", "child-left /bin/sleep 60 0"},
	},
	"pool": {
		"from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(1)\ndef weigh(x):\n    return x * 2\ndef handler(event, context):\n    return list(pool.map(weigh, [1, 2]))",
		nil,
	},
}

// TestWatch runs each handler twice in one worker and reads what the watch says of the second time.
func TestWatch(t *testing.T) {
	for name, fact := range facts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := run(t, fact.code, options{Slots: 1, Watch: `"seed": 1`, Files: map[string]string{"settings.py": "current = None\n"}}).WaitReady()
			for i := 1; i <= 2; i++ {
				if res := f.Call(fmt.Sprintf(`{"user": "anna-%d"}`, i), runtimestest.ID(fmt.Sprintf("r%d", i))); res.Status != runtimeapi.StatusOK {
					t.Errorf("%s", res.Body)
				}
			}
			runtimestest.WantRecords(t, f.Watch.During("r2"), fact.want)
		})
	}
}

// TestWatchAfterTheAnswer checks that a thread, or a task of a pool, is known as its request's.
func TestWatchAfterTheAnswer(t *testing.T) {
	const code = `import threading, time
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(1)
go = threading.Event()
def late(user):
    go.wait(20)
    with open("/tmp/late-" + user, "w"):
        pass
def handler(event, context):
    if event["user"] == "last":
        go.set()
        pool.submit(int).result()
    elif event["user"] == "pool":
        pool.submit(late, "pool")
    else:
        threading.Thread(target=late, args=["thread"]).start()
`
	f := run(t, code, options{Slots: 1, Watch: `"seed": 1`}).WaitReady()
	for _, user := range []string{"thread", "pool", "last"} {
		f.Call(`{"user": "`+user+`"}`, runtimestest.ID(user))
	}
	for _, user := range []string{"thread", "pool"} {
		all := f.Watch.Until(func(r runtimestest.Record) bool {
			return r.RequestID == user && r.Kind == "file" && r.Name == "/tmp/late-"+user
		})
		if !slices.ContainsFunc(all, func(r runtimestest.Record) bool {
			return r.RequestID == user && r.Kind == "work-after-answer" && r.Name == "late"
		}) {
			t.Errorf("%s: no work after the answer in %v", user, all)
		}
	}
	for _, r := range f.Watch.During("last") {
		t.Errorf("of a request that left nothing: %v", r)
	}
}

// TestWatchPauses checks that pauses come at the same lines for the same seed and request, keep to
// their budget, and that the function sees nothing of all this.
func TestWatchPauses(t *testing.T) {
	lines := strings.Repeat("    x += 1\n", 40)
	code := "import os\ndef handler(event, context):\n    x = 0\n" + lines + "    return [x, [k for k in os.environ if 'CHECK' in k]]\n"
	pauses := func(seed string) (found []int) {
		f := run(t, code, options{Slots: 2, Watch: `"seed": ` + seed + `, "pause": 0.3, "pauseMaxMs": 4, "pauseBudgetMs": 1000`}).WaitReady()
		f.Want(`{}`, "[40, []]", runtimestest.ID("same"))
		for _, r := range f.Watch.Until(func(r runtimestest.Record) bool { return r.Kind == "end" }) {
			if r.Kind == "pause" {
				found = append(found, r.Line)
			}
		}
		return found
	}
	one, again, other := pauses("1"), pauses("1"), pauses("2")
	if len(one) < 3 || len(one) > 30 || !slices.Equal(one, again) || slices.Equal(one, other) {
		t.Errorf("pauses at lines %v, again %v, with another seed %v", one, again, other)
	}
}

// TestNoWatch checks that without LAMINA_CHECK none of it is loaded.
func TestNoWatch(t *testing.T) {
	f := run(t, `import sys
def handler(event, context):
    return [m for m in sys.modules if "laminaruntime.check" in m] + [sys.monitoring.get_tool(i) for i in range(6) if sys.monitoring.get_tool(i)]
`, options{Slots: 2}).WaitReady()
	f.Want(`{}`, "[]")
}
