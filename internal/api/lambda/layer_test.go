package lambda

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/lamina-dev/lamina"
)

const (
	layersPath = "/2018-10-31/layers"
	layerARN   = "arn:aws:lambda:us-east-1:111122223333:layer:l"
)

func layerBody(t *testing.T, content string) object {
	return object{
		"Content": object{"ZipFile": zipOf(t, content)}, "Description": "shared", "LicenseInfo": "MIT",
		"CompatibleRuntimes": []string{"python3.13"}, "CompatibleArchitectures": []string{"x86_64"},
	}
}

// withLayer has layer l with one version.
func withLayer(t *testing.T) *world {
	w := newWorld(t)
	w.call("POST", layersPath+"/l/versions", layerBody(t, "one")).ok(201)
	return w
}

func TestLayerLife(t *testing.T) {
	w := newWorld(t)
	v := w.call("POST", layersPath+"/l/versions", layerBody(t, "one")).ok(201).has(object{
		"LayerArn": layerARN, "LayerVersionArn": layerARN + ":1", "Version": 1, "Description": "shared", "LicenseInfo": "MIT",
		"CompatibleRuntimes.0": "python3.13", "CompatibleArchitectures.0": "x86_64", "CreatedDate": "2026-11-24T04:00:00.000+0000",
		"Content.CodeSize": len(zipBytes(t, "one")),
	})
	w.call("GET", layersPath+"/l/versions/1", nil).ok(200).has(v.body)
	w.call("GET", layersPath+"/"+strings.ReplaceAll(layerARN, ":", "%3A")+"/versions/1", nil).ok(200).has(v.body)
	w.call("GET", layersPath+"?find=LayerVersion&Arn="+layerARN+":1", nil).ok(200).has(v.body)
	w.call("POST", layersPath+"/l/versions", object{"Content": object{"ZipFile": zipOf(t, "two")}}).ok(201).has(object{
		"Version": 2, "Description": "", "CompatibleRuntimes": nil, "LicenseInfo": nil})
	w.call("GET", layersPath+"/l/versions", nil).ok(200).has(object{
		"LayerVersions.0.Version": 2, "LayerVersions.1.LayerVersionArn": layerARN + ":1", "LayerVersions.2": nil, "NextMarker": nil})
	first := w.call("GET", layersPath+"/l/versions?MaxItems=1", nil).ok(200).has(object{"LayerVersions.0.Version": 2, "LayerVersions.1": nil})
	w.call("GET", fmt.Sprint(layersPath, "/l/versions?MaxItems=1&Marker=", first.at("NextMarker")), nil).ok(200).has(object{"LayerVersions.0.Version": 1, "NextMarker": nil})
	w.call("GET", layersPath+"/l/versions?CompatibleRuntime=python3.13", nil).ok(200).has(object{"LayerVersions.0.Version": 1, "LayerVersions.1": nil})
	w.call("GET", layersPath+"/other/versions", nil).ok(200).has(object{"LayerVersions": []any{}})
	w.call("GET", layersPath, nil).ok(200).has(object{
		"Layers.0.LayerName": "l", "Layers.0.LayerArn": layerARN, "Layers.0.LatestMatchingVersion.Version": 2, "Layers.1": nil})
	w.call("GET", layersPath+"?CompatibleRuntime=python3.13&CompatibleArchitecture=x86_64", nil).ok(200).has(object{"Layers.0.LatestMatchingVersion.Version": 1})
	w.call("GET", layersPath+"?CompatibleArchitecture=arm64", nil).ok(200).has(object{"Layers": []any{}})

	w.call("DELETE", layersPath+"/l/versions/2", nil).ok(204)
	w.call("DELETE", layersPath+"/l/versions/2", nil).ok(204)
	w.call("GET", layersPath+"/l/versions/2", nil).refused(404, "ResourceNotFoundException", "The resource you requested does not exist.")
	w.call("POST", layersPath+"/l/versions", layerBody(t, "three")).ok(201).has(object{"Version": 3})
	for _, n := range []string{"1", "3"} {
		w.call("DELETE", layersPath+"/l/versions/"+n, nil).ok(204)
	}
	w.call("GET", layersPath, nil).ok(200).has(object{"Layers": []any{}})
}

func TestLayerRefusals(t *testing.T) {
	w := withLayer(t)
	publish := func(changes object) answer {
		return w.call("POST", layersPath+"/l/versions", with(layerBody(t, "x"), changes))
	}
	publish(object{"Content": object{"S3Bucket": "bucket", "S3Key": "k"}}).refused(400, "InvalidParameterValueException", textFromS3)
	publish(object{"Content": object{}}).refused(400, "InvalidParameterValueException", textLayerSource)
	publish(object{"Content": object{"ZipFile": base64.StdEncoding.EncodeToString([]byte("no zip"))}}).refused(400, "InvalidParameterValueException", "Could not unzip uploaded file. Please check your file, then try to upload again.")
	publish(object{"CompatibleRuntimes": []string{"python3.13", "cobol"}}).refused(400, "ValidationException", "1 validation error detected: Value '[python3.13, cobol]' at 'compatibleRuntimes' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: […")
	for _, call := range []struct{ method, path string }{
		{"GET", "/l/versions/0"}, {"DELETE", "/l/versions/0"}, {"GET", "/l/versions/-1/policy"},
	} {
		w.call(call.method, layersPath+call.path, nil).refused(400, "InvalidParameterValueException", "Layer Version Cannot be less than 1")
	}
	w.call("GET", layersPath+"?find=LayerVersion&Arn="+layerARN+":9", nil).refused(404, "ResourceNotFoundException", "The resource you requested does not exist.")
	elsewhere := strings.Replace(layerARN, account, "999999999999", 1)
	w.call("GET", layersPath+"?find=LayerVersion&Arn="+elsewhere+":1", nil).refused(403, "AccessDeniedException", "User: arn:aws:iam::111122223333:root is not authorized to perform: lambda:GetLayerVersion on resource: "+elsewhere+":1 because no resource-based policy allows the lambda:GetLayerVersion action")
	w.call("DELETE", layersPath+"/"+elsewhere+"/versions/1", nil).refused(403, "AccessDeniedException", "User: …")
}

func TestLayerPolicy(t *testing.T) {
	w := withLayer(t)
	path := layersPath + "/l/versions/1/policy"
	w.call("GET", path, nil).refused(404, "ResourceNotFoundException", "No policy is associated with the given resource.")
	body := object{"StatementId": "all", "Action": "lambda:GetLayerVersion", "Principal": "*", "OrganizationId": "o-0123456789"}
	added := w.call("POST", path, body).ok(201).has(object{
		"Statement": `{"Sid":"all","Effect":"Allow","Principal":"*","Action":"lambda:GetLayerVersion","Resource":"` + layerARN + `:1","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-0123456789"}}}`})
	w.call("POST", path, body).refused(409, "ResourceConflictException", "The statement id (all) provided already exists. Please provide a new statement id, or remove the existing statement.")
	one := object{"StatementId": "one", "Action": "lambda:GetLayerVersion", "Principal": "999999999999"}
	w.call("POST", path+"?RevisionId=other", one).refused(412, "PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id")
	w.call("POST", fmt.Sprint(path, "?RevisionId=", added.at("RevisionId")), one).ok(201)
	text := w.call("GET", path, nil).ok(200).at("Policy")
	if s := fmt.Sprint(text); !strings.HasPrefix(s, `{"Version":"2012-10-17","Id":"default","Statement":[`) || !strings.Contains(s, "arn:aws:iam::999999999999:root") {
		t.Errorf("policy %s", s)
	}
	row, _ := w.tables.LayerVersions.Get(lamina.LayerVersionKey(scope, "l", 1))
	for who, want := range map[string]bool{"999999999999": true, "888888888888": false} {
		if got := layerOpen(row.Value, who); got != want {
			t.Errorf("account %s may use it: %t", who, got)
		}
	}
	w.call("POST", path, with(one, object{"Action": "lambda:InvokeFunction"})).refused(400, "ValidationException", "1 validation error detected: …")
	w.call("DELETE", path+"/none", nil).refused(404, "ResourceNotFoundException", "Statement none is not found in resource policy.")
	w.call("DELETE", path+"/all", nil).ok(204)
	w.call("DELETE", path+"/one", nil).ok(204)
	w.call("GET", path, nil).refused(404, "ResourceNotFoundException", "No policy is associated with the given resource.")
	w.call("POST", layersPath+"/l/versions/9/policy", one).refused(404, "ResourceNotFoundException", "Layer version "+layerARN+":9 does not exist.")
}

// TestFunctionLayers: what functions say of their layers, and that a deleted version stays with who uses it.
func TestFunctionLayers(t *testing.T) {
	w := withLayer(t)
	w.call("POST", layersPath+"/m/versions", layerBody(t, "m")).ok(201)
	m := strings.Replace(layerARN, "layer:l", "layer:m", 1)
	want := object{"Layers.0.Arn": layerARN + ":1", "Layers.0.CodeSize": len(zipBytes(t, "one")), "Layers.1.Arn": m + ":1", "Layers.2": nil}
	w.call("POST", functionsPath, with(functionBody(t, "f"), object{"Layers": []string{layerARN + ":1", m + ":1"}})).ok(201).has(want)
	w.call("GET", functionsPath+"/f/configuration", nil).ok(200).has(want)
	update := func(layers ...string) answer {
		return w.call("PUT", functionsPath+"/f/configuration", object{"Layers": layers})
	}
	w.call("DELETE", layersPath+"/l/versions/1", nil).ok(204)
	w.call("PUT", functionsPath+"/f/configuration", object{"Timeout": 4}).ok(200).has(want)
	update(m+":1", layerARN+":1").ok(200).has(object{"Layers.1.Arn": layerARN + ":1"})
	update(m + ":1").ok(200)
	update(layerARN+":1").refused(400, "InvalidParameterValueException", "Layer version "+layerARN+":1 does not exist.")
	w.call("PUT", functionsPath+"/f/configuration", object{"Layers": []string{}}).ok(200).has(object{"Layers": nil})
}

func TestFunctionLayerRefusals(t *testing.T) {
	w := withLayer(t)
	w.call("POST", layersPath+"/l/versions", layerBody(t, "two")).ok(201)
	create := func(layers ...string) answer {
		return w.call("POST", functionsPath, with(functionBody(t, "f"), object{"Layers": layers}))
	}
	six := make([]string, 6)
	for i := range six {
		six[i] = fmt.Sprintf("%s%d:1", layerARN, i)
	}
	create(six...).refused(400, "InvalidParameterValueException", "Cannot reference more than 5 layers.")
	create(layerARN+":1", layerARN+":2").refused(400, "InvalidParameterValueException", "Two different versions of the same layer are not allowed to be referenced in the same function. "+layerARN+":1 and "+layerARN+":2 are versions of the same layer.")
	create(strings.Replace(layerARN, region, "eu-west-1", 1)+":1").refused(400, "InvalidParameterValueException", "Layers are not in the same region as the function. Layers are expected to be in region us-east-1.")
	foreign := strings.Replace(layerARN, account, "999999999999", 1) + ":1"
	create(foreign).refused(403, "AccessDeniedException", "User: arn:aws:iam::111122223333:root is not authorized to perform: lambda:GetLayerVersion on resource: "+foreign+" because no resource-based policy allows the lambda:GetLayerVersion action")
	create("l:1").refused(400, "ValidationException", "1 validation error detected: …")
}

// TestLayersTooBig: function and layers together have at most 262,144,000 bytes unpacked.
func TestLayersTooBig(t *testing.T) {
	w := newWorld(t)
	big := base64.StdEncoding.EncodeToString(zeros(t, 200_000_000))
	w.call("POST", layersPath+"/l/versions", object{"Content": object{"ZipFile": big}}).ok(201)
	w.call("POST", functionsPath, with(functionBody(t, "small"), object{"Layers": []string{layerARN + ":1"}})).ok(201)
	text := "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is 300000000 bytes."
	half := base64.StdEncoding.EncodeToString(zeros(t, 100_000_000))
	w.call("POST", functionsPath, with(functionBody(t, "f"), object{"Code": object{"ZipFile": half}})).ok(201)
	w.call("PUT", functionsPath+"/f/configuration", object{"Layers": []string{layerARN + ":1"}}).refused(400, "InvalidParameterValueException", text)
	w.call("PUT", functionsPath+"/small/code", object{"ZipFile": half}).refused(400, "InvalidParameterValueException", text)
	w.call("POST", functionsPath, with(functionBody(t, "g"), object{"Code": object{"ZipFile": half}, "Layers": []string{layerARN + ":1"}})).refused(400, "InvalidParameterValueException", text)
}

// zeros is a zip of one file with n zero bytes.
func zeros(t *testing.T, n int64) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("zeros")
	chunk := make([]byte, 1<<20)
	for left := n; left > 0 && err == nil; left -= int64(len(chunk)) {
		_, err = f.Write(chunk[:min(left, int64(len(chunk)))])
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
