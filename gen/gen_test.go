package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tiny has what is awkward: recursion, an enum whose values meet a structure's
// name, lower-case members, a backtick, an operation without output.
const tiny = `{"metadata":{"apiVersion":"1","protocol":"rest-json","serviceId":"Tiny"},
"operations":{
 "Get":{"name":"Get","http":{"method":"GET","requestUri":"/{Id}","responseCode":202},"input":{"shape":"GetRequest"},"errors":[{"shape":"Lost"}]},
 "Unwanted":{"name":"Unwanted","http":{"method":"GET","requestUri":"/u"},"input":{"shape":"UnwantedRequest"}}},
"shapes":{
 "GetRequest":{"type":"structure","required":["Id"],"members":{"Id":{"shape":"Id","location":"uri","locationName":"Id"},"next":{"shape":"GetRequest"},"All":{"shape":"List"},"State":{"shape":"State"},"At":{"shape":"Time"}}},
 "UnwantedRequest":{"type":"structure","members":{}},
 "StatePending":{"type":"structure","members":{}},
 "List":{"type":"list","member":{"shape":"StatePending"},"max":3},
 "State":{"type":"string","enum":["Pending","LATEST_ONE","x86_64"]},
 "Id":{"type":"string","min":1,"pattern":"[a-z` + "`" + `]+"},
 "Time":{"type":"timestamp"},
 "Lost":{"type":"structure","exception":true,"error":{"code":"Gone","httpStatusCode":410},"members":{"Message":{"shape":"Id"},"Type":{"shape":"Id"}}}}}`

func TestGenerate(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tiny.service.json"), []byte(tiny), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := generate(dir, dir, service{name: "tiny", operations: "Get Missing G*"}); err != nil {
		t.Fatal(err)
	}
	for file, wants := range map[string][]string{
		"structs.gen.go":    {"type GetRequest struct", "*GetRequest", "[]StatePending", "*time.Time", "Next "},
		"enums.gen.go":      {`StatePendingValue = "Pending"`, `StateLatestOne `, `StateX8664 `},
		"operations.gen.go": {"awsproto.Operation[GetRequest, awsproto.Empty]"},
		"table.gen.go":      {"op\tGet\tGET\t/{Id}\tGetRequest\t-\tstatus=202\terrors=Lost", "error\tLost\tcode=Gone\tstatus=410\tmessage=Message\ttyped", ".Id\tId\tat=uri\twire=Id\trequired", "list\tList\tStatePending\tmax=3", "unserved\tUnwanted\tGET\t/u"},
		"bind_gen_test.go":  {"awsproto.Handle(m, Get, nil)"},
	} {
		src, err := os.ReadFile(filepath.Join(dir, "tiny", file))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.ParseFile(token.NewFileSet(), file, src, 0); err != nil {
			t.Error(err)
		}
		for _, want := range append(wants, "DO NOT EDIT.", "SHA-256") {
			if !strings.Contains(string(src), want) {
				t.Errorf("%s has no %q:\n%s", file, want, src)
			}
		}
		if strings.Contains(string(src), "UnwantedRequest") {
			t.Errorf("%s holds what nobody asked for", file)
		}
	}
}

func TestGenerateNeedsItsModel(t *testing.T) {
	dir := t.TempDir()
	if err := generate(dir, dir, service{name: "none"}); err == nil {
		t.Error("generated from nothing")
	}
}
