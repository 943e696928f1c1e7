package lambda

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-dev/lamina"
)

func TestFunctionTags(t *testing.T) {
	w := managed(t)
	path := "/2017-03-31/tags/" + url.PathEscape(fnARN)
	w.call("POST", path, object{"Tags": object{"a": "1", "b": "2"}}).ok(204)
	w.call("DELETE", path+"?tagKeys=a&tagKeys=c", nil).ok(204)
	w.call("GET", path, nil).ok(200).has(object{"Tags": object{"b": "2"}})
	w.call("GET", functionsPath+"/f", nil).ok(200).has(object{"Tags": object{"b": "2"}})
	w.call("GET", path+":live", nil).refused(400, "InvalidParameterValueException", textTagsQualified)
	w.call("GET", path+"x", nil).refused(404, "ResourceNotFoundException", "Function not found: "+fnARN+"x")
	many := object{}
	for i := range 50 {
		many[fmt.Sprint(i)] = ""
	}
	w.call("POST", path, object{"Tags": many}).refused(400, "InvalidParameterValueException", textTooManyTags)
}

// What is of functions alone is refused for their versions and aliases, and what
// is not of $LATEST for that.
func TestWhatQualifiersCannotHave(t *testing.T) {
	w := managed(t)
	w.publish(object{}).ok(201)
	for _, name := range []string{"f:1", "f:live", "f:$LATEST"} {
		path := "/2017-10-31/functions/" + url.PathEscape(name) + "/concurrency"
		w.call("PUT", path, object{"ReservedConcurrentExecutions": 2}).refused(400, "InvalidParameterValueException", textFunctionsOnly)
		w.call("DELETE", path, nil).refused(400, "InvalidParameterValueException", textFunctionsOnly)
	}
	w.call("GET", functionsPath+"/f", nil).ok(200).has(object{"Concurrency": nil})
	permission := object{"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
	w.call("POST", functionsPath+"/f/policy?Qualifier=$LATEST", permission).refused(400, "InvalidParameterValueException", textPolicyLatest)
	w.call("GET", "/2019-09-30/functions/f/provisioned-concurrency?Qualifier=$LATEST", nil).refused(400, "InvalidParameterValueException", textProvisionedLatest)
}

func TestTraced(t *testing.T) {
	const root = "Root=1-5759e988-bd862e3fe1be46a994272793"
	for _, c := range []struct{ mode, id, want string }{
		{"PassThrough", "anything", "^anything$"},
		{"Active", root, "^" + root + ";Parent=[0-9a-f]{16};Sampled=0$"},
		{"Active", root + ";Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:2:0", "^" + root + ";Parent=[0-9a-f]{16};Sampled=1;Lineage=1:2:0$"},
		{"Active", "Parent=53995c3f42cd8ad8", "^$"},
	} {
		got := traced(c.mode, c.id)
		if !regexp.MustCompile(c.want).MatchString(got) || c.mode == "Active" && strings.Contains(got, "53995c3f42cd8ad8") {
			t.Errorf("%s, %q: %q", c.mode, c.id, got)
		}
	}
}

func TestAliases(t *testing.T) {
	w := managed(t)
	path := functionsPath + "/f/aliases"
	arn := fnARN + ":live"
	w.publish(object{}).ok(201)
	w.call("PUT", functionsPath+"/f/configuration", object{"Description": "x"}).ok(200)
	w.publish(object{}).ok(201)
	w.settle("1")
	w.settle("2")
	created := w.call("POST", path, object{"Name": "live", "FunctionVersion": "1", "Description": "d"}).ok(201)
	created.has(object{"AliasArn": arn, "FunctionVersion": "1", "Description": "d", "RoutingConfig": nil})
	w.call("POST", path, object{"Name": "live", "FunctionVersion": "1"}).refused(409, "ResourceConflictException", "Alias already exists: "+arn)
	w.call("POST", path, object{"Name": "x", "FunctionVersion": "9"}).refused(404, "ResourceNotFoundException", "Function not found: "+fnARN+":9")
	w.call("GET", path+"/none", nil).refused(404, "ResourceNotFoundException", "Cannot find alias arn: "+fnARN+":none")
	w.call("PUT", path+"/none", object{}).refused(404, "ResourceNotFoundException", "Alias not found: "+fnARN+":none")
	w.call("DELETE", path+"/none", nil).ok(204)
	w.call("PUT", path+"/live", object{"RevisionId": "x"}).refused(412, "PreconditionFailedException", fmt.Sprintf(textRevision, "GetFunction/GetAlias"))
	weights := func(v object) object { return object{"RoutingConfig": object{"AdditionalVersionWeights": v}} }
	w.call("PUT", path+"/live", weights(object{"1": 0.5})).refused(400, "InvalidParameterValueException", fmt.Sprintf(textRoutingSame, "1", "1"))
	w.call("PUT", path+"/live", weights(object{"2": 0.1, "3": 0.1})).refused(400, "InvalidParameterValueException", textRoutingMany)
	w.call("PUT", path+"/live", weights(object{"2": 0.25})).ok(200).has(object{"RoutingConfig.AdditionalVersionWeights.2": 0.25, "FunctionVersion": "1"})
	for random, want := range map[float64]string{0: "2", 0.24: "2", 0.25: "1", 0.99: "1"} {
		w.random = random
		if got := w.invoke("live").ok(200).header.Get("X-Amz-Executed-Version"); got != want {
			t.Errorf("at %v: ran %s, want %s", random, got, want)
		}
	}
	w.call("DELETE", functionsPath+"/f?Qualifier=2", nil).refused(409, "ResourceConflictException", fmt.Sprintf(textAliasReferences, "[live]"))
	w.call("GET", path, nil).ok(200).has(object{"Aliases.0.Name": "live", "Aliases.1": nil})
	w.call("GET", path+"?FunctionVersion=2", nil).ok(200).has(object{"Aliases": []any{}})
	w.call("GET", functionsPath+"/f?Qualifier=live", nil).ok(200).has(object{"Configuration.FunctionArn": arn, "Configuration.Version": "1"})
	w.call("PUT", path+"/live", weights(object{})).ok(200).has(object{"RoutingConfig": nil})
	w.call("DELETE", path+"/live", nil).ok(204)
	w.call("GET", path+"/live", nil).refused(404, "ResourceNotFoundException", "Cannot find alias arn: "+arn)
}

func TestPolicy(t *testing.T) {
	w := managed(t)
	path := functionsPath + "/f/policy"
	w.call("GET", path, nil).refused(404, "ResourceNotFoundException", textResourceMissing)
	w.call("DELETE", path+"/s3", nil).refused(404, "ResourceNotFoundException", textNoPolicy)
	body := object{"StatementId": "s3", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::b"}
	w.call("POST", path, body).ok(201).has(object{
		"Statement": `{"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"` +
			fnARN + `","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::b"}}}`,
	})
	for _, who := range []string{"me", "1234", "events.us-east-1.amazonaws.org"} {
		w.call("POST", path, with(body, object{"StatementId": "x", "Principal": who})).refused(400, "InvalidParameterValueException", textPrincipal)
	}
	w.call("POST", path, body).refused(409, "ResourceConflictException", fmt.Sprintf(textStatementExists, "s3"))
	policy, _ := w.call("GET", path, nil).ok(200).at("Policy").(string)
	if !strings.HasPrefix(policy, `{"Version":"2012-10-17","Id":"default","Statement":[{"Sid":"s3"`) {
		t.Error(policy)
	}
	w.call("GET", path+"?Qualifier=1", nil).refused(404, "ResourceNotFoundException", textResourceMissing)
	w.call("DELETE", path+"/x", nil).refused(404, "ResourceNotFoundException", fmt.Sprintf(textStatementMissing, "x"))
	w.call("DELETE", path+"/s3?RevisionId=x", nil).refused(412, "PreconditionFailedException", "…")
	w.call("DELETE", path+"/s3", nil).ok(204)
	w.call("GET", path, nil).refused(404, "ResourceNotFoundException", textResourceMissing)
}

func TestConcurrency(t *testing.T) {
	w := managed(t)
	put, get := "/2017-10-31/functions/f/concurrency", "/2019-09-30/functions/f/concurrency"
	w.call("GET", get, nil).ok(200).has(object{"ReservedConcurrentExecutions": nil})
	w.call("PUT", put, object{"ReservedConcurrentExecutions": 901}).refused(400, "InvalidParameterValueException", fmt.Sprintf(textReservedTooMany, 100))
	w.call("PUT", put, object{"ReservedConcurrentExecutions": 900}).ok(200).has(object{"ReservedConcurrentExecutions": 900})
	w.call("GET", functionsPath+"/f", nil).ok(200).has(object{"Concurrency.ReservedConcurrentExecutions": 900})
	w.call("GET", "/2016-08-19/account-settings", nil).ok(200).has(object{"AccountLimit.UnreservedConcurrentExecutions": 100})
	w.call("PUT", put, object{"ReservedConcurrentExecutions": 0}).ok(200)
	w.publishLatest().ok(201)
	w.settle(lamina.LatestPublished)
	w.invoke("").ok(200)
	if got := w.invoked[0].Reserved; got == nil || *got != 0 {
		t.Errorf("the router was told %v", got)
	}
	w.call("DELETE", put, nil).ok(204)
	w.call("GET", get, nil).ok(200).has(object{"ReservedConcurrentExecutions": nil})
	w.invoke("").ok(200)
}

// TestAccountConcurrency: ordinary functions share what the account's functions
// have not set aside; those which have do not, and managed ones neither.
func TestAccountConcurrency(t *testing.T) {
	w := managed(t)
	w.publishLatest().ok(201)
	w.settle(lamina.LatestPublished)
	w.invoke("").ok(200)
	for _, name := range []string{"a", "b"} {
		w.call("POST", functionsPath, functionBody(t, name)).ok(201)
		put(w, w.tables.VersionStatus, lamina.VersionKey(scope, name, lamina.Latest), lamina.VersionStatus{State: lamina.StateActive, UpdateStatus: lamina.UpdateSuccessful, Settled: true})
	}
	reserve := func(name string, n int) {
		w.t.Helper()
		w.call("PUT", "/2017-10-31/functions/"+name+"/concurrency", object{"ReservedConcurrentExecutions": n}).ok(200)
	}
	invoke := func(name string) { w.t.Helper(); w.call("POST", functionsPath+"/"+name+"/invocations", nil).ok(200) }
	invoke("a")
	reserve("b", 40)
	invoke("a")
	reserve("f", 60) // a managed function's counts too
	invoke("a")
	invoke("b")
	var got []string
	for _, r := range w.invoked {
		got = append(got, fmt.Sprint(r.Account, " ", r.Unreserved))
	}
	here := scopePrefix(scope)
	if want := []string{" 0", here + " 1000", here + " 960", here + " 900", " 0"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	w.call("PUT", "/2017-10-31/functions/a/concurrency", object{"ReservedConcurrentExecutions": 801}).refused(400, "InvalidParameterValueException", fmt.Sprintf(textReservedTooMany, 100))
	reserve("a", 800)
}

func TestSettings(t *testing.T) {
	w := managed(t)
	w.call("GET", "/2020-06-30/functions/f/code-signing-config", nil).ok(200).has(object{"FunctionName": "f", "CodeSigningConfigArn": nil})
	w.call("GET", "/2020-06-30/functions/x/code-signing-config", nil).refused(404, "ResourceNotFoundException", "Function not found: …")
	w.call("GET", "/2019-09-25/functions/f/event-invoke-config", nil).
		refused(404, "ResourceNotFoundException", "The function "+fnARN+":$LATEST doesn't have an EventInvokeConfig")
	w.call("GET", "/2019-09-25/functions/f/event-invoke-config/list", nil).ok(200).has(object{"FunctionEventInvokeConfigs": []any{}})
	w.call("GET", "/2021-10-31/functions/f/url", nil).refused(404, "ResourceNotFoundException", textResourceMissing)
	w.call("GET", "/2021-10-31/functions/f/urls", nil).ok(200).has(object{"FunctionUrlConfigs": []any{}})
	provisioned := "/2019-09-30/functions/f/provisioned-concurrency"
	w.call("GET", provisioned+"?Qualifier=1", nil).refused(404, "ProvisionedConcurrencyConfigNotFoundException", textNoProvisioned)
	w.call("GET", provisioned+"?List=ALL", nil).ok(200).has(object{"ProvisionedConcurrencyConfigs": []any{}})
	w.call("GET", provisioned+"?MaxItems=1&List=ALL", nil).ok(200).has(object{"ProvisionedConcurrencyConfigs": []any{}})
	w.call("GET", provisioned, nil).refused(400, "ValidationException", "…")
	w.call("GET", "/2015-03-31/event-source-mappings", nil).ok(200).has(object{"EventSourceMappings": []any{}})
	w.call("GET", "/2018-10-31/layers", nil).ok(200).has(object{"Layers": []any{}})
}

func TestKeptSettings(t *testing.T) {
	w := managed(t)
	recursion := "/2024-08-31/functions/f/recursion-config"
	w.call("GET", recursion, nil).ok(200).has(object{"RecursiveLoop": "Terminate"})
	w.call("PUT", recursion, object{"RecursiveLoop": "Allow"}).ok(200).has(object{"RecursiveLoop": "Allow"})
	w.call("GET", recursion, nil).ok(200).has(object{"RecursiveLoop": "Allow"})
	w.call("PUT", recursion, object{"RecursiveLoop": "Never"}).refused(400, "ValidationException", "…")
	w.call("PUT", "/2024-08-31/functions/x/recursion-config", object{"RecursiveLoop": "Allow"}).refused(404, "ResourceNotFoundException", "Function not found: …")

	updates, arn := "/2021-07-20/functions/f/runtime-management-config", "arn:aws:lambda:us-east-1::runtime:"+strings.Repeat("0a", 32)
	auto := object{"UpdateRuntimeOn": "Auto", "FunctionArn": fnARN, "RuntimeVersionArn": nil}
	w.call("GET", updates, nil).ok(200).has(auto)
	w.call("PUT", updates, object{"UpdateRuntimeOn": "Manual"}).refused(400, "InvalidParameterValueException", textRuntimeArnMissing)
	w.call("PUT", updates, object{"UpdateRuntimeOn": "Auto", "RuntimeVersionArn": arn}).refused(400, "InvalidParameterValueException", textRuntimeArnUnwanted)
	w.call("PUT", updates, object{"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": arn}).ok(200).has(object{"RuntimeVersionArn": arn})
	w.call("GET", updates+"?Qualifier=$LATEST", nil).ok(200).has(object{"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": arn})
	w.call("PUT", updates+"?Qualifier=7", object{"UpdateRuntimeOn": "Auto"}).refused(404, "ResourceNotFoundException", "Function not found: …")
	w.call("PUT", updates, object{"UpdateRuntimeOn": "Auto"}).ok(200)
	w.call("GET", updates, nil).ok(200).has(auto)
}

func TestReservedTags(t *testing.T) {
	w := managed(t)
	system := object{"Tags": object{"AWS:owner": "me"}}
	for _, arn := range []string{cpARN, fnARN} {
		w.call("POST", "/2017-03-31/tags/"+arn, system).refused(400, "InvalidParameterValueException", textReservedTag)
		w.call("GET", "/2017-03-31/tags/"+arn, nil).ok(200).has(object{"Tags": object{}})
	}
	w.call("POST", functionsPath, with(functionBody(t, "g"), system)).refused(400, "InvalidParameterValueException", textReservedTag)
	w.call("POST", providersPath, with(providerBody("cp2"), system)).refused(400, "InvalidParameterValueException", textReservedTag)
}

func TestInvoke(t *testing.T) {
	w := newWorld(t)
	w.call("POST", functionsPath, with(functionBody(t, "f"), object{"Timeout": 9})).ok(201)
	w.result = lamina.Answer{Payload: []byte(`{"errorMessage":"x"}`), FunctionError: true, LogTail: strings.Repeat("log", 2000)}
	context := base64.StdEncoding.EncodeToString([]byte(`{"client":{}}`))
	a := w.invoke("", "X-Amz-Log-Type", "Tail", "X-Amz-Client-Context", context).ok(200)
	if a.header.Get("X-Amz-Function-Error") != "Unhandled" || a.header.Get("X-Amz-Log-Result") != base64.StdEncoding.EncodeToString([]byte(w.result.LogTail)) || a.raw != `{"errorMessage":"x"}` {
		t.Errorf("%v %s", a.header, a.raw)
	}
	if r := w.invoked[0]; string(r.ClientContext) != `{"client":{}}` || !r.Tail || r.Timeout.Seconds() != 9 || r.RequestID != a.header.Get("X-Amzn-Requestid") {
		t.Errorf("%+v", r)
	}
	w.invoke("", "X-Amz-Client-Context", "!").refused(400, "InvalidRequestContentException", textBadContext)
	w.invoke("", "X-Amz-Client-Context", strings.Repeat("A", 3584)).refused(400, "InvalidRequestContentException", fmt.Sprintf(textLongContext, 3583))
	w.invoke("", "X-Amz-Invocation-Type", "Event").refused(400, "InvalidParameterValueException", textAsync)
	if a := w.invoke("", "X-Amz-Invocation-Type", "DryRun").ok(204); a.raw != "" {
		t.Error(a.raw)
	}
	path := functionsPath + "/f/invocations"
	w.call("POST", path, `{"a":`).refused(400, "InvalidRequestContentException", "Could not parse request body into json: Could not parse payload into json: …")
	w.call("POST", path, "\"a\xff\"").refused(400, "InvalidRequestContentException", "Could not parse request body into json: Could not parse payload into json: Invalid UTF-8 start byte 0xff")
	w.call("POST", path, nil).ok(200)
	if got := string(w.invoked[len(w.invoked)-1].Payload); got != "{}" {
		t.Errorf("an empty event became %s", got)
	}
	w.call("POST", path, `"`+strings.Repeat("x", 6<<20)+`"`).refused(413, "RequestTooLargeException", "…")
	w.call("POST", functionsPath+"/none/invocations", nil).refused(404, "ResourceNotFoundException", "Function not found: …")
	w.fault = fmt.Errorf("the wire broke")
	w.invoke("").refused(500, "ServiceException", "…")
}
