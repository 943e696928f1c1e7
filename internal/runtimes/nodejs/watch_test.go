package nodejs_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lamina-dev/lamina/internal/runtimeapi"
	"github.com/lamina-dev/lamina/internal/runtimes/runtimestest"
)

var oneThread = map[string]string{"AWS_LAMBDA_NODEJS_WORKER_COUNT": "1"}

// facts are what a handler leaves behind, each with what the watch says of its second request.
var facts = map[string]struct {
	code string
	want []string // see WantRecords
}{
	"variable": {
		"let user = null;\nexport const handler = async (event) => {\n  user = event.user;\n  return user;\n};",
		[]string{`global-write index.user 3 | bind | "anna-1" | "anna-2"`},
	},
	"same value again": {
		"let rates = null;\nexport const handler = async () => {\n  rates = { EUR: [1, 2] };\n  return rates;\n};",
		nil,
	},
	"property": {
		"const client = { headers: { a: { x: '' } } };\nexport const handler = async (event) => {\n  client.headers.a.x = event.user;\n};",
		[]string{`global-write index.client.headers.a.x 3 | key | "anna-1" | "anna-2"`},
	},
	"cache": {
		"const cache = new Map();\nexport const handler = async (event) => {\n  cache.set(event.user, [1]);\n};",
		[]string{`global-write index.cache 3 | grow | "anna-2"`},
	},
	"list": {
		"export const seen = [];\nexport const handler = async (event) => {\n  seen.push(event.user);\n};",
		[]string{`global-write index.seen 3 | grow | "anna-2"`},
	},
	"object of a class": {
		"class Client { token = null; }\nconst client = new Client();\nexport const handler = async (event) => {\n  client.token = event.user;\n};",
		[]string{`global-write index.client.token 4 | key | "anna-2"`},
	},
	"static": {
		"class Cart { static items = []; add(x) {\n    Cart.items.push(x);\n} }\nexport const handler = async (event) => {\n  new Cart().add(event.user);\n};",
		[]string{`class-write index.Cart.items 2 | grow | "anna-2"`},
	},
	"buffer": {
		"const scratch = Buffer.alloc(64);\nexport const handler = async (event) => {\n  scratch.write(event.user);\n};",
		[]string{"global-write index.scratch 3 | key | anna-1 | anna-2"},
	},
	"captured variable": {
		"function make() {\n  let last;\n  return async (event) => {\n    last = event.user;\n    return last;\n  };\n}\nexport const handler = make();",
		[]string{`closure-write index.last 4 | bind | "anna-1" | "anna-2"`},
	},
	"behind a local name": {
		"let user = null;\nfunction remember(name) {\n  user = name;\n  return user;\n}\nexport const handler = async (event) => {\n  let user = event.user;\n  return remember(user);\n};",
		[]string{`global-write index.user 3 | bind | "anna-1" | "anna-2"`},
	},
	"without a name": {
		"let user = null;\nexport default async (event) => {\n  user = event.user;\n  return user;\n};\nexport { default as handler } from './index.mjs';",
		[]string{`global-write index.user 3 | bind | "anna-1" | "anna-2"`},
	},
	"behind a library's function": {
		"import { wrap } from './node_modules/wrap/index.mjs';\nlet user = null;\nexport const handler = wrap(async (event) => {\n  user = event.user;\n  return user;\n});",
		[]string{`global-write index.user 4 | bind | "anna-1" | "anna-2"`},
	},
	"another module": {
		"import { remember } from './lib/session.mjs';\nexport const handler = async (event) => {\n  remember(event.user);\n};",
		[]string{`global-write lib/session.current 3 | "anna-1" | "anna-2"`},
	},
	"environment": {
		"export const handler = async (event) => {\n  process.env.TENANT = event.user;\n};",
		[]string{"env-write TENANT 2 | anna-1 | anna-2"},
	},
	"files": {
		"import fs from 'node:fs';\nimport { writeFile, readFile, rename, open } from 'node:fs/promises';\nexport const handler = async (event) => {\n  const name = '/tmp/x-' + event.user;\n  await writeFile(name, 'x');\n  await readFile(name);\n  await rename(name, name + '.y');\n  await (await open(name, 'wx')).close();\n  fs.unlinkSync(name);\n  await new Promise((done) => fs.writeFile(name, 'x', done));\n  await readFile('/etc/passwd');\n  await readFile('/tmp/none').catch(() => {});\n};",
		[]string{
			"file /tmp/x-anna-2 5 | op:write", "file /tmp/x-anna-2 6 | op:read", "file /tmp/x-anna-2.y 7 | op:rename",
			"file /tmp/x-anna-2 8 | op:exclusive", "file /tmp/x-anna-2 9 | op:remove", "file /tmp/x-anna-2 10 | op:write",
		},
	},
	"connection": {
		"import net from 'node:net';\nimport { once } from 'node:events';\nconst server = net.createServer((s) => s.end());\nserver.listen(0, '127.0.0.1');\nawait once(server, 'listening');\nexport const handler = async () => {\n  const s = net.connect(server.address().port, '127.0.0.1');\n  await once(s.resume(), 'close');\n};",
		[]string{"connection 127.0.0.1: 7"},
	},
	"child": {
		"import { spawn } from 'node:child_process';\nimport { once } from 'node:events';\nexport const handler = async () => {\n  await once(spawn('/bin/true'), 'exit');\n  spawn('/bin/sleep', ['60'], { stdio: 'ignore' });\n};",
		[]string{"child-left /bin/sleep 60 0"},
	},
	"blocked": {
		"import { execSync } from 'node:child_process';\nexport const handler = async () => {\n  await null;\n  execSync('sleep 0.2');\n};",
		[]string{"loop-blocked execSync 4 | ms"},
	},
	"nothing": {
		"import { setTimeout as sleep } from 'node:timers/promises';\nconst table = [1, 2, 3];\nlet count = 0;\nclass Order { constructor(user) { this.user = user; } }\nexport const handler = async (event) => {\n  const order = new Order(event.user);\n  await sleep(2);\n  return [order, table, count];\n};",
		nil,
	},
}

// TestWatch runs each handler twice in one worker and reads what the watch says of the second time.
func TestWatch(t *testing.T) {
	session := map[string]string{"node_modules/wrap/index.mjs": "const all = [];\nexport const wrap = (inner) => {\n  all.push(inner.name);\n  return async (event, context) => inner(event, context);\n};\n", "lib/session.mjs": "let current;\nexport const remember = (user) => {\n  current = user;\n  return current;\n};\n"}
	for name, fact := range facts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := run(t, fact.code, options{Slots: 1, Watch: `"seed": 1`, Env: oneThread, Files: session}).WaitReady()
			for i := 1; i <= 2; i++ {
				if res := f.Call(fmt.Sprintf(`{"user": "anna-%d"}`, i), runtimestest.ID(fmt.Sprintf("r%d", i))); res.Status != runtimeapi.StatusOK {
					t.Errorf("%s", res.Body)
				}
			}
			records := slices.DeleteFunc(f.Watch.During("r2"), func(r runtimestest.Record) bool {
				return r.Kind == "loop-blocked" && r.Name != "execSync" // this machine's own doing, whichever line it meets
			})
			runtimestest.WantRecords(t, records, fact.want)
		})
	}
}

// TestWatchCommonJS checks that variables are also seen in modules of the older kind.
func TestWatchCommonJS(t *testing.T) {
	f := run(t, "let user = null;\nexports.handler = async (event) => {\n  user = event.user;\n  return user;\n};", options{File: "index.js", Slots: 1, Watch: `"seed": 1`, Env: oneThread}).WaitReady()
	f.Call(`{"user": "anna-1"}`)
	f.Call(`{"user": "anna-2"}`, runtimestest.ID("r2"))
	runtimestest.WantRecords(t, f.Watch.During("r2"), []string{`global-write index.user 3 | "anna-1" | "anna-2"`})
}

// TestWatchAfterTheAnswer checks that timers and awaits are known as their request's when its answer is out.
func TestWatchAfterTheAnswer(t *testing.T) {
	const code = `import { setTimeout as sleep } from "node:timers/promises";
import { writeFile } from "node:fs/promises";
async function late(user) {
  await sleep(50);
  await writeFile("/tmp/late-" + user, "x");
}
export const handler = async (event) => {
  if (event.user === "timer") setTimeout(() => {}, 30);
  else if (event.user === "await") late(event.user);
  else await sleep(5);
};
`
	f := run(t, code, options{Slots: 1, Watch: `"seed": 1`, Env: oneThread}).WaitReady()
	for _, user := range []string{"timer", "await", "none"} {
		f.Call(`{"user": "`+user+`"}`, runtimestest.ID(user))
	}
	f.Watch.Until(func(r runtimestest.Record) bool {
		return r.RequestID == "timer" && r.Kind == "work-after-answer" && r.Line == 8
	})
	all := f.Watch.Until(func(r runtimestest.Record) bool {
		return r.RequestID == "await" && r.Kind == "file" && r.Name == "/tmp/late-await"
	})
	if !slices.ContainsFunc(all, func(r runtimestest.Record) bool { return r.RequestID == "await" && r.Kind == "work-after-answer" }) {
		t.Errorf("no work after the answer in %v", all)
	}
	if slices.ContainsFunc(all, func(r runtimestest.Record) bool { return r.RequestID == "none" && r.Kind == "work-after-answer" }) {
		t.Errorf("of a request that left nothing: %v", all)
	}
}

// TestWatchPauses checks that delays come from seed and request, and keep to their budget.
func TestWatchPauses(t *testing.T) {
	const code = `import { setTimeout as sleep } from "node:timers/promises";
export const handler = async (event) => {
  for (let i = 0; i < 40; i++) await sleep(0);
  return Object.keys(process.env).filter((name) => name.includes("CHECK"));
};
`
	pauses := func(seed string) string {
		settings := `"seed": ` + seed + `, "pause": 0.1, "pauseMaxMs": 4, "pauseBudgetMs": 50`
		f := run(t, code, options{Slots: 2, Watch: settings, Env: oneThread}).WaitReady()
		f.Want(`{}`, "[]", runtimestest.ID("same"))
		var found []string
		sum := 0.0
		for _, r := range f.Watch.Until(func(r runtimestest.Record) bool { return r.Kind == "end" }) {
			if r.Kind == "pause" {
				found = append(found, fmt.Sprint(r.Detail["ms"]))
				sum += r.Detail["ms"].(float64)
			}
		}
		if len(found) < 3 || sum > 50 {
			t.Errorf("%d pauses of %v ms in all", len(found), sum)
		}
		return strings.Join(found, " ")
	}
	one, again, other := pauses("1"), pauses("1"), pauses("2")
	if one != again || one == other {
		t.Errorf("pauses %q, again %q, with another seed %q", one, again, other)
	}
}

// TestWatchOverlapping checks that what a request writes before its first await is known as its own
// while others run.
func TestWatchOverlapping(t *testing.T) {
	const code = `import { setTimeout as sleep } from "node:timers/promises";
let user = null;
export const handler = async (event) => {
  user = event.user;
  await sleep(20);
  return user;
};
`
	f := run(t, code, options{Slots: 8, Watch: `"seed": 1`, Env: oneThread}).WaitReady().WaitIdle(8)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { f.Call(fmt.Sprintf(`{"user": "anna-%d"}`, i), runtimestest.ID(fmt.Sprintf("r%d", i))) })
	}
	wg.Wait()
	for i := range 8 {
		records := f.Watch.During(fmt.Sprintf("r%d", i))
		if len(records) == 0 || !strings.Contains(records[0].String(), fmt.Sprintf(`after:"anna-%d"`, i)) {
			t.Errorf("r%d: %v", i, records)
		}
	}
}

// TestWatchHeap checks that the engine gets the heap's size where it asks.
func TestWatchHeap(t *testing.T) {
	f := run(t, "export const handler = async () => 1;", options{Slots: 1, Watch: `"seed": 1, "heap": true`, Env: oneThread}).WaitReady()
	f.Call(`{}`)
	all := f.Watch.Until(func(r runtimestest.Record) bool { return r.Kind == "end" })
	if size, _ := all[len(all)-1].Detail["heap"].(float64); size < 1<<20 {
		t.Errorf("%v", all)
	}
}

// TestNoWatch checks that without LAMINA_CHECK nothing is patched or looked at.
func TestNoWatch(t *testing.T) {
	f := run(t, `import inspector from "node:inspector";
import net from "node:net";
export const handler = async () => [net.Socket.prototype.connect.toString().includes("watch"), setTimeout.toString().includes("watch"), inspector.url() ?? null];
`, options{Slots: 2, Env: oneThread}).WaitReady()
	f.Want(`{}`, "[false,false,null]")
}
