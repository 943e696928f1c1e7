package lambda

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lamina-dev/lamina"
)

var update = flag.Bool("update", false, "write the golden answers anew")

var random = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)

// golden compares a whole answer with its file.
func (a answer) golden(name string) answer {
	a.t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, []byte(a.raw), "", "  "); err != nil {
		a.t.Fatal(err)
	}
	got := random.ReplaceAllString(pretty.String(), "REVISION") + "\n"
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		a.t.Fatal(err)
	}
	if got != string(want) {
		a.t.Errorf("%s: got\n%s", path, got)
	}
	return a
}

// TestGolden pins every member of the chief answers, the absent ones too.
func TestGolden(t *testing.T) {
	w := newWorld(t)
	w.call("POST", providersPath, providerBody("cp1")).ok(202).golden("provider-least")
	w.call("POST", providersPath, with(providerBody("cp2"), object{
		"VpcConfig":            object{"SubnetIds": []string{"subnet-a"}, "SecurityGroupIds": []string{}},
		"InstanceRequirements": object{"Architectures": []string{"x86_64"}, "AllowedInstanceTypes": []string{"m5.large"}},
		"CapacityProviderScalingConfig": object{"MaxVCpuCount": 30, "ScalingMode": "Manual", "ScalingPolicies": []object{
			{"PredefinedMetricType": "LambdaCapacityProviderAverageCPUUtilization", "TargetValue": 70},
		}},
		"KmsKeyArn":       "arn:aws:kms:us-east-1:111122223333:key/k",
		"Tags":            object{"a": "b"},
		"PropagateTags":   object{"Mode": "Explicit", "ExplicitTags": object{"team": "x"}},
		"TelemetryConfig": object{"LoggingConfig": object{"SystemLogLevel": "WARN"}},
	})).ok(202).golden("provider-full")
	w.call("POST", functionsPath, with(managedBody(t, "f"), object{"Publish": true, "PublishTo": "LATEST_PUBLISHED", "Tags": object{"k": "v"}})).
		ok(201).golden("function-managed-created")
	w.call("GET", functionsPath+"/f", nil).ok(200).golden("function-managed-pending")
	w.settle(lamina.LatestPublished)
	w.call("GET", functionsPath+"/f", nil).ok(200).golden("function-managed")
	w.get(latestPublished).ok(200).golden("version-latest-published")
	w.call("POST", functionsPath, with(functionBody(t, "o"), object{
		"Publish": true, "Environment": object{"Variables": object{"AA": "1"}}, "EphemeralStorage": object{"Size": 1024},
		"VpcConfig": object{"SubnetIds": []string{"subnet-a"}, "SecurityGroupIds": []string{"sg-a"}},
	})).ok(201).golden("function-ordinary-created")
	w.call("GET", functionsPath+"/o", nil).ok(200).golden("function-ordinary")
	w.call("GET", functionsPath+"/o/versions", nil).ok(200).golden("versions-ordinary")
	w.call("GET", "/2016-08-19/account-settings", nil).ok(200).golden("account-settings")
}

// TestCreatePending: $LATEST stays Pending until what CreateFunction published
// is Active or Failed, so that a Terraform apply is followed by a working invoke.
func TestCreatePending(t *testing.T) {
	for _, outcome := range []string{"active", "failed", "deleted"} {
		t.Run(outcome, func(t *testing.T) {
			w := newWorld(t)
			w.call("POST", providersPath, providerBody("cp1")).ok(202)
			w.call("POST", functionsPath, with(managedBody(t, "f"), object{"Publish": true})).ok(201).has(object{"Version": "1", "FunctionArn": fnARN})
			w.get("").ok(200).has(object{"State": "Pending", "StateReasonCode": "Creating"})
			switch outcome {
			case "active":
				w.settle("1")
			case "failed":
				w.fail("1")
			case "deleted":
				w.call("DELETE", functionsPath+"/f?Qualifier=1", nil).ok(202)
			}
			w.get("").ok(200).has(object{"State": "ActiveNonInvocable", "LastUpdateStatus": "Successful"})
		})
	}
}

func TestOrdinaryFunction(t *testing.T) {
	w := newWorld(t)
	w.call("POST", functionsPath, functionBody(t, "f")).ok(201).has(object{"State": "Pending", "SnapStart.ApplyOn": "None", "LoggingConfig.LogFormat": "Text"})
	w.get("").ok(200).has(object{"State": "Active", "LastUpdateStatus": "Successful"})
	a := w.invoke("").ok(200)
	if a.header.Get("X-Amz-Executed-Version") != "$LATEST" {
		t.Error(a.header)
	}
	w.call("PUT", functionsPath+"/f/configuration", object{"MemorySize": 256}).ok(200).has(object{
		"State": "Active", "LastUpdateStatus": "InProgress", "LastUpdateStatusReasonCode": "Creating", "MemorySize": 256,
	})
	w.call("PUT", functionsPath+"/f/code", object{"ZipFile": zipOf(t, "two"), "Publish": true}).ok(200).has(object{"Version": "1", "State": "Active"})
	row, _ := w.tables.Versions.Get(versionKey(lamina.Latest))
	if row.Value.Generation != 3 {
		t.Errorf("$LATEST is at generation %d", row.Value.Generation)
	}
	w.get("1").ok(200).has(object{"State": "Active", "LastUpdateStatus": "Successful", "MemorySize": 256})
	w.call("DELETE", functionsPath+"/f?Qualifier=1", nil).ok(204)
	w.get("1").refused(404, "ResourceNotFoundException", "Function not found: "+fnARN+":1")
	w.call("DELETE", functionsPath+"/f", nil).ok(204)
	w.get("").refused(404, "ResourceNotFoundException", "Function not found: "+fnARN)
	w.invoke("").refused(404, "ResourceNotFoundException", "Function not found: "+fnARN)
	w.call("GET", functionsPath, nil).ok(200).has(object{"Functions": []any{}})
}

// TestRecreate: a create right after a delete waits for the controller.
func TestRecreate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.call("POST", functionsPath, functionBody(t, "f")).ok(201)
		w.call("DELETE", functionsPath+"/f", nil).ok(204)
		start := time.Now()
		w.call("POST", functionsPath, functionBody(t, "f")).refused(409, "ResourceConflictException", "Function already exist: f")
		if waited := time.Since(start); waited != deletionGrace {
			t.Errorf("gave up after %v", waited)
		}
		var ending sync.WaitGroup
		ending.Go(func() {
			time.Sleep(deletionGrace / 2)
			remove(w, w.tables.Versions, versionKey(lamina.Latest))
			remove(w, w.tables.Functions, lamina.Key(account, region, "f"))
		})
		w.call("POST", functionsPath, functionBody(t, "f")).ok(201)
		ending.Wait()
	})
}

func TestUpdateCode(t *testing.T) {
	w := managed(t)
	before := w.get("").ok(200)
	path := functionsPath + "/f/code"
	w.call("PUT", path, object{"ZipFile": zipOf(t, "two"), "DryRun": true}).ok(200)
	w.get("").ok(200).has(object{"CodeSha256": before.at("CodeSha256"), "RevisionId": before.at("RevisionId")})
	w.call("PUT", path, object{"ZipFile": zipOf(t, "two"), "RevisionId": "x"}).refused(412, "PreconditionFailedException",
		"The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id")
	w.call("PUT", path, object{"ZipFile": "AAAA"}).refused(400, "InvalidParameterValueException", "Could not unzip uploaded file. Please check your file, then try to upload again.")
	w.call("PUT", path, object{"S3Bucket": "bucket", "S3Key": "k"}).refused(400, "InvalidParameterValueException", textFromS3)
	w.call("PUT", path, object{"ZipFile": zipOf(t, "two"), "Architectures": []string{"arm64"}}).refused(400, "InvalidParameterValueException", "The architecture of the function…")
	a := w.call("PUT", path, object{"ZipFile": zipOf(t, "two"), "RevisionId": before.at("RevisionId")}).ok(200)
	a.has(object{"State": "ActiveNonInvocable", "LastUpdateStatus": "InProgress", "LastUpdateStatusReasonCode": "Creating"})
	if a.at("CodeSha256") == before.at("CodeSha256") || a.at("RevisionId") == before.at("RevisionId") {
		t.Error("nothing changed")
	}
	w.publish(object{"CodeSha256": "x"}).refused(400, "InvalidParameterValueException", fmt.Sprintf(textCodeSHA, "x", a.at("CodeSha256")))
	w.publish(object{"CodeSha256": a.at("CodeSha256"), "RevisionId": w.get("").at("RevisionId")}).ok(201)
	w.publish(object{"RevisionId": "x"}).refused(412, "PreconditionFailedException", "…")
	w.call("PUT", functionsPath+"/none/code", object{"ZipFile": zipOf(t, "two")}).refused(404, "ResourceNotFoundException", "…")
}

// TestRevisions: which actions give which thing another RevisionId, as seen on AWS.
func TestRevisions(t *testing.T) {
	w := managed(t)
	revision := func(qualifier string) any { return w.get(qualifier).ok(200).at("RevisionId") }
	path := functionsPath + "/f"
	policy := object{"StatementId": "s3", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
	alias := func() any { return w.call("GET", path+"/aliases/live", nil).ok(200).at("RevisionId") }
	known := map[any]string{}
	is := func(what string, got any) any {
		t.Helper()
		if was, ok := known[got]; ok {
			t.Errorf("%s is %v, as %s was", what, got, was)
		}
		known[got] = what
		return got
	}
	stays := func(what string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v, was %v", what, got, want)
		}
	}
	now := is("the function", revision(""))
	stays("in lists", w.call("GET", functionsPath, nil).ok(200).at("Functions.0.RevisionId"), now)
	is("an update on its way", w.call("PUT", path+"/code", object{"ZipFile": zipOf(t, "two"), "RevisionId": now}).ok(200).at("RevisionId"))
	now = is("the updated function", revision(""))
	is("a configuration on its way", w.call("PUT", path+"/configuration", object{"Timeout": 7, "RevisionId": now}).ok(200).at("RevisionId"))
	now = is("the configured function", revision(""))
	v := is("a version", w.publish(object{"RevisionId": now}).ok(201).at("RevisionId"))
	w.settle("1")
	stays("an active version", revision("1"), v)
	now = is("the published function", revision(""))
	a := is("an alias", w.call("POST", path+"/aliases", object{"Name": "live", "FunctionVersion": "1"}).ok(201).at("RevisionId"))
	stays("a function with an alias", revision(""), now)
	w.call("POST", path+"/policy", with(policy, object{"RevisionId": "x"})).refused(412, "PreconditionFailedException", "…")
	w.call("POST", path+"/policy", with(policy, object{"RevisionId": now})).ok(201)
	now = is("a function with a policy", revision(""))
	stays("its policy", w.call("GET", path+"/policy", nil).ok(200).at("RevisionId"), now)
	w.call("DELETE", fmt.Sprint(path, "/policy/s3?RevisionId=", now), nil).ok(204)
	now = is("a function without one", revision(""))
	for _, q := range []struct {
		name     string
		was      any
		revision func() any
	}{{"1", v, func() any { return revision("1") }}, {"live", a, alias}} {
		w.call("POST", path+"/policy?Qualifier="+q.name, with(policy, object{"RevisionId": q.was})).ok(201)
		with := is("policed "+q.name, q.revision())
		stays("the policy of "+q.name, w.call("GET", path+"/policy?Qualifier="+q.name, nil).ok(200).at("RevisionId"), with)
	}
	stays("the function", revision(""), now)
}

// TestRevisionsWhileCreated: a creation that is done has another one; deletion changes none.
func TestRevisionsWhileCreated(t *testing.T) {
	w := managed(t)
	get := func() answer { return w.call("GET", functionsPath+"/g/configuration", nil).ok(200) }
	pending := w.call("POST", functionsPath, with(managedBody(t, "g"), object{"Publish": true})).ok(201).at("RevisionId")
	get().has(object{"State": "Pending", "RevisionId": pending})
	put(w, w.tables.VersionStatus, lamina.VersionKey(scope, "g", "1"), lamina.VersionStatus{State: lamina.StateActive, Settled: true, Generation: 1, Serving: 1})
	done := get().has(object{"State": "ActiveNonInvocable"}).at("RevisionId")
	if pending == done {
		t.Errorf("%v as before", done)
	}
	w.call("DELETE", functionsPath+"/g", nil).ok(202)
	get().has(object{"State": "Deleting", "RevisionId": done})
}

func TestUpdateConfiguration(t *testing.T) {
	w := managed(t)
	path := functionsPath + "/f/configuration"
	slots := "CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig.PerExecutionEnvironmentMaxConcurrency"
	w.call("PUT", path, object{"MemorySize": 4096, "CapacityProviderConfig": capacity(cpARN)}).ok(200).has(object{"MemorySize": 4096, slots: 32})
	w.call("PUT", path, object{"CapacityProviderConfig": capacity(cpARN, "PerExecutionEnvironmentMaxConcurrency", 5)}).ok(200).has(object{slots: 5})
	w.call("PUT", path, object{"MemorySize": 1024}).refused(400, "ValidationException", textManagedMemory)
	for _, mb := range []int{2049, 2050, 4095, 4097} {
		w.call("PUT", path, object{"MemorySize": mb}).refused(400, "InvalidParameterValueException", "…")
	}
	w.call("PUT", path, object{"CapacityProviderConfig": object{}}).refused(400, "ValidationException", "1 validation error detected: Value null at …")
	w.call("PUT", path, object{"CapacityProviderConfig": capacity(cpARN + "x")}).refused(404, "ResourceNotFoundException", "Capacity provider not found: "+cpARN+"x")
	w.call("PUT", path, object{"VpcConfig": object{"SubnetIds": []string{"subnet-a"}}}).refused(400, "InvalidParameterValueException", textManagedVPC)
	w.call("PUT", path, object{"RevisionId": "x"}).refused(412, "PreconditionFailedException", "…")
	w.call("PUT", path, object{"Environment": object{"Variables": object{"AA": "1"}}, "TracingConfig": object{"Mode": "Active"}}).ok(200).
		has(object{"Environment.Variables.AA": "1", "TracingConfig.Mode": "Active", "MemorySize": 4096, slots: 5})
	w.get("").ok(200).has(object{"LastUpdateStatus": "Successful", "State": "ActiveNonInvocable"})
}

func TestNames(t *testing.T) {
	w := managed(t)
	for _, name := range []string{"f", "function:f", account + ":function:f", account + ":f", fnARN, region + ":" + account + ":f"} {
		w.call("GET", functionsPath+"/"+name, nil).ok(200).has(object{"Configuration.FunctionName": "f"})
	}
	other := strings.Replace(fnARN, "us-east-1", "eu-west-1", 1)
	w.call("GET", functionsPath+"/"+other, nil).refused(404, "ResourceNotFoundException", "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')")
	w.call("GET", functionsPath+"/f:1?Qualifier=2", nil).refused(400, "InvalidParameterValueException", textQualifierDiffers)
	w.call("GET", functionsPath+"/f:1", nil).refused(404, "ResourceNotFoundException", "Function not found: "+fnARN+":1")
	w.call("GET", functionsPath+"/f:$LATEST", nil).ok(200).has(object{"Configuration.FunctionArn": fnARN + ":$LATEST"})
}

func TestLists(t *testing.T) {
	w := managed(t)
	for i := range 12 {
		w.call("PUT", functionsPath+"/f/configuration", object{"Description": fmt.Sprint(i)}).ok(200)
		w.publish(object{}).ok(201)
	}
	w.publishLatest().ok(201)
	w.call("POST", functionsPath, functionBody(t, "a")).ok(201)

	var versions []string
	marker := ""
	for {
		a := w.call("GET", functionsPath+"/f/versions?MaxItems=5"+marker, nil).ok(200)
		for i := range a.at("Versions").([]any) {
			at := fmt.Sprintf("Versions.%d.", i)
			a.has(object{at + "State": nil, at + "LastUpdateStatus": nil, at + "RuntimeVersionConfig": nil})
			versions = append(versions, a.at(at+"Version").(string))
		}
		next, _ := a.at("NextMarker").(string)
		if next == "" {
			break
		}
		marker = "&Marker=" + next
	}
	if got := fmt.Sprint(versions); got != "[$LATEST 1 2 3 4 5 6 7 8 9 10 11 12 $LATEST.PUBLISHED]" {
		t.Error(got)
	}
	w.call("GET", functionsPath+"/f/versions?MaxItems=10000", nil).ok(200).has(object{"Versions.0.FunctionArn": fnARN + ":$LATEST", "NextMarker": nil})
	w.call("GET", functionsPath, nil).ok(200).has(object{"Functions.0.FunctionName": "a", "Functions.1.FunctionArn": fnARN, "Functions.2": nil})
	all := w.call("GET", functionsPath+"?FunctionVersion=ALL", nil).ok(200)
	if n := len(all.at("Functions").([]any)); n != 15 {
		t.Errorf("%d functions and versions", n)
	}
	w.call("GET", functionsPath+"/none/versions", nil).refused(404, "ResourceNotFoundException", "…")
}

// TestReadYourWrites: nobody misses what was acknowledged to them.
func TestReadYourWrites(t *testing.T) {
	w := managed(t)
	var clients sync.WaitGroup
	for i := range 32 {
		clients.Go(func() {
			name := fmt.Sprintf("c%d", i)
			path := functionsPath + "/" + name
			for range 3 {
				w.call("POST", functionsPath, managedBody(t, name)).ok(201)
				w.call("GET", path, nil).ok(200)
				w.call("POST", path+"/versions", object{}).ok(201)
				w.call("GET", path+"/configuration?Qualifier=1", nil).ok(200)
				w.call("DELETE", path, nil).ok(202)
				w.call("GET", path+"/configuration", nil).ok(200).has(object{"State": "Deleting"})
				remove(w, w.tables.Versions, lamina.VersionKey(scope, name, "1"))
				remove(w, w.tables.Functions, lamina.Key(account, region, name))
			}
		})
	}
	clients.Wait()
}
