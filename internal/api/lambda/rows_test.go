package lambda

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// The rows are those of the table at the end of the specification of Managed
// Instances: behaviour → effect that the API shows.

func TestRow01_CreateProvider(t *testing.T) {
	w := newWorld(t)
	w.call("POST", providersPath, providerBody("cp1")).ok(202).has(object{
		"CapacityProvider.State": "Pending", "CapacityProvider.CapacityProviderArn": cpARN,
		"CapacityProvider.Tags": nil, "CapacityProvider.KmsKeyArn": nil, "CapacityProvider.InstanceRequirements": nil,
	})
	w.call("GET", providersPath+"/cp1", nil).ok(200).has(object{"CapacityProvider.State": "Pending"})
	put(w, w.tables.ProviderStatus, lamina.Key(account, region, "cp1"), lamina.CapacityProviderStatus{State: lamina.StateActive})
	w.call("GET", providersPath+"/cp1", nil).ok(200).has(object{"CapacityProvider.State": "Active"})
	w.call("GET", providersPath+"/"+cpARN, nil).ok(200).has(object{"CapacityProvider.CapacityProviderArn": cpARN})
}

func TestRow02to06_ProviderRules(t *testing.T) {
	many := func(n int, format string) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprintf(format, i))
		}
		return all
	}
	vpc := func(subnets, groups []string) object {
		return object{"VpcConfig": object{"SubnetIds": subnets, "SecurityGroupIds": groups}}
	}
	scaling := func(c object) object { return object{"CapacityProviderScalingConfig": c} }
	policy := object{"PredefinedMetricType": "LambdaCapacityProviderAverageCPUUtilization", "TargetValue": 70}
	types := func(c object) object { return object{"InstanceRequirements": c} }
	for name, c := range map[string]struct {
		change object
		code   string
		text   string
	}{
		"02 no vpc":         {object{"VpcConfig": nil}, "ValidationException", "1 validation error detected: …"},
		"02 no permissions": {object{"PermissionsConfig": nil}, "ValidationException", "1 validation error detected: …"},
		"03 17 subnets":     {vpc(many(17, "subnet-%d"), []string{}), "ValidationException", "1 validation error detected: …"},
		"03 6 groups":       {vpc([]string{"subnet-a"}, many(6, "sg-%d")), "ValidationException", "1 validation error detected: …"},
		"03 2 archs":        {types(object{"Architectures": []string{"x86_64", "arm64"}}), "ValidationException", "1 validation error detected: …"},
		"03 401 types":      {types(object{"AllowedInstanceTypes": many(401, "m%d.large")}), "ValidationException", "1 validation error detected: …"},
		"03 11 policies":    {scaling(object{"ScalingMode": "Manual", "ScalingPolicies": slices.Repeat([]object{policy}, 11)}), "ValidationException", "1 validation error detected: …"},
		"03 cap 1":          {scaling(object{"MaxVCpuCount": 1}), "ValidationException", "1 validation error detected: …"},
		"03 cap 15001":      {scaling(object{"MaxVCpuCount": 15001}), "ValidationException", "1 validation error detected: …"},
		"03 target 101":     {scaling(object{"ScalingMode": "Manual", "ScalingPolicies": []object{with(policy, object{"TargetValue": 101})}}), "ValidationException", "1 validation error detected: …"},
		"04 X86_64":         {types(object{"Architectures": []string{"X86_64"}}), "ValidationException", "1 validation error detected: Value '[X86_64]' at 'instanceRequirements.architectures' failed to satisfy constraint: …"},
		"05 auto+policies":  {scaling(object{"ScalingMode": "Auto", "ScalingPolicies": []object{policy}}), "InvalidParameterValueException", textAutoPolicies},
		"05 no mode":        {scaling(object{"ScalingPolicies": []object{policy}}), "InvalidParameterValueException", textAutoPolicies},
		"05 manual, none":   {scaling(object{"ScalingMode": "Manual"}), "InvalidParameterValueException", textManualPolicies},
		"06 both lists":     {types(object{"AllowedInstanceTypes": []string{"m5.large"}, "ExcludedInstanceTypes": []string{"m5.xlarge"}}), "InvalidParameterValueException", textTypeLists},
		"t3.micro":          {types(object{"AllowedInstanceTypes": []string{"t3.micro"}}), "InvalidParameterValueException", "instance type t3.micro is not supported"},
		"unknown subnet":    {vpc([]string{"subnet-q"}, []string{}), "InvalidParameterValueException", fmt.Sprintf(textSubnetMissing, "subnet-q")},
		"unknown group":     {vpc([]string{"subnet-a"}, []string{"sg-q"}), "InvalidParameterValueException", fmt.Sprintf(textGroupMissing, "sg-q")},
		"two VPCs":          {vpc([]string{"subnet-a", "subnet-x"}, []string{}), "InvalidParameterValueException", textTwoVPCs},
		"group elsewhere":   {vpc([]string{"subnet-a"}, []string{"sg-x"}), "InvalidParameterValueException", textTwoVPCs},
		"bad role":          {object{"PermissionsConfig": object{"CapacityProviderOperatorRoleArn": roleARN}}, "InvalidParameterValueException", textOperatorRole},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.badRoles[roleARN] = true
			w.call("POST", providersPath, with(providerBody("cp1"), c.change)).refused(400, c.code, c.text)
			if w.tables.Providers.Len() != 0 {
				t.Error("something was stored")
			}
		})
	}
}

func TestRow07_DuplicateProvider(t *testing.T) {
	w := managed(t)
	w.call("POST", providersPath, providerBody("cp1")).refused(409, "ResourceConflictException", fmt.Sprintf(textProviderExists, cpARN))
}

func TestRow08_ProviderLimit(t *testing.T) {
	w := newWorld(t)
	for i := 0; i < lamina.MaxProviders; i += 100 {
		_, err := w.view.Update(t.Context(), func(tx *view.Tx) error {
			for j := range 100 {
				p := lamina.CapacityProvider{Scope: scope, Name: fmt.Sprintf("n%d", i+j)}
				_ = tx.Do(w.tables.Providers.Put(p.Key(), p))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.call("POST", providersPath, providerBody("cp1")).refused(400, "CapacityProviderLimitExceededException", fmt.Sprintf(textProviderLimit, 1000))
}

func TestRow09_UnknownProvider(t *testing.T) {
	w := newWorld(t)
	text := "Capacity provider not found: " + cpARN
	w.call("GET", providersPath+"/cp1", nil).refused(404, "ResourceNotFoundException", text)
	a := w.call("GET", "/2017-03-31/tags/"+cpARN, nil)
	a.refused(404, "ResourceNotFoundException", text)
	a.has(object{"Type": "User", "Message": text, "message": nil})
	w.call("POST", "/2017-03-31/tags/"+cpARN, object{"Tags": object{"a": "b"}}).refused(404, "ResourceNotFoundException", text)
	w.call("DELETE", "/2017-03-31/tags/"+cpARN+"?tagKeys=a", nil).refused(404, "ResourceNotFoundException", text)
	w.call("PUT", providersPath+"/cp1", object{}).refused(404, "ResourceNotFoundException", text)
	w.call("DELETE", providersPath+"/cp1", nil).refused(404, "ResourceNotFoundException", text)
}

func TestRow10_TagProvider(t *testing.T) {
	w := managed(t)
	tags := "/2017-03-31/tags/" + cpARN
	w.call("GET", tags, nil).ok(200).has(object{"Tags": object{}})
	w.call("POST", tags, object{"Tags": object{"a": "1", "b": "2"}}).ok(204)
	w.call("DELETE", tags+"?tagKeys=a", nil).ok(204)
	w.call("GET", tags, nil).ok(200).has(object{"Tags": object{"b": "2"}})
	w.call("GET", providersPath+"/cp1", nil).ok(200).has(object{"CapacityProvider.Tags": nil})
	w.call("GET", tags+":alias", nil).refused(400, "ValidationException", "1 validation error detected: Value '"+cpARN+":alias' at 'resource' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*):lambda:…")
}

func TestRow11_ListProviders(t *testing.T) {
	w := managed(t)
	w.call("POST", providersPath, providerBody("cp2")).ok(202)
	first := w.call("GET", providersPath+"?MaxItems=1", nil).ok(200).has(object{"CapacityProviders.0.CapacityProviderArn": cpARN, "CapacityProviders.1": nil})
	marker, _ := first.at("NextMarker").(string)
	w.call("GET", providersPath+"?MaxItems=1&Marker="+marker, nil).ok(200).has(object{"CapacityProviders.0.State": "Pending", "NextMarker": nil})
	w.call("GET", providersPath+"?State=Active", nil).ok(200).has(object{"CapacityProviders.0.CapacityProviderArn": cpARN, "CapacityProviders.1": nil})
	w.call("GET", providersPath+"?State=Failed", nil).ok(200).has(object{"CapacityProviders": []any{}})
	w.call("GET", providersPath+"?MaxItems=51", nil).refused(400, "ValidationException", "1 validation error detected: …")
	w.call("GET", providersPath+"?Marker=%21", nil).refused(400, "InvalidParameterValueException", textMarker)
}

func TestRow12_UpdateProvider(t *testing.T) {
	w := managed(t)
	w.call("PUT", providersPath+"/cp1", object{
		"CapacityProviderScalingConfig": object{"MaxVCpuCount": 30, "ScalingMode": "Auto"},
		"InstanceRequirements":          object{"Architectures": []string{"arm64"}},
	}).ok(202)
	w.call("GET", providersPath+"/cp1", nil).ok(200).has(object{
		"CapacityProvider.State": "Active",
		"CapacityProvider.CapacityProviderScalingConfig.MaxVCpuCount": 30,
		"CapacityProvider.InstanceRequirements":                       nil,
	})
}

func TestRow13_DeleteUsedProvider(t *testing.T) {
	w := managed(t)
	text := "The capacity provider is currently in use by 1 functions. To delete this capacity provider, first remove its association with " + cpARN + "."
	w.call("DELETE", providersPath+"/cp1", nil).refused(409, "ResourceConflictException", text)
	w.publish(object{}).ok(201)
	w.call("POST", providersPath, providerBody("cp2")).ok(202)
	w.call("PUT", functionsPath+"/f/configuration", object{"CapacityProviderConfig": capacity(lamina.CapacityProviderARN(scope, "cp2"))}).ok(200)
	w.call("DELETE", providersPath+"/cp1", nil).refused(409, "ResourceConflictException", text) // the number still runs there
}

func TestRow14_DeleteFreeProvider(t *testing.T) {
	w := newWorld(t)
	w.call("POST", providersPath, providerBody("cp1")).ok(202)
	w.call("DELETE", providersPath+"/cp1", nil).ok(202).has(object{"CapacityProvider.State": "Deleting"})
	w.call("DELETE", providersPath+"/cp1", nil).ok(202).has(object{"CapacityProvider.State": "Deleting"})
	w.call("GET", providersPath+"/cp1", nil).ok(200).has(object{"CapacityProvider.State": "Deleting"})
	w.call("PUT", providersPath+"/cp1", object{}).refused(409, "ResourceConflictException", fmt.Sprintf(textProviderState, "Deleting"))
	w.call("POST", providersPath, providerBody("cp1")).refused(409, "ResourceConflictException", "…")
	w.call("POST", functionsPath, managedBody(t, "f")).refused(409, "ResourceConflictException", fmt.Sprintf(textProviderState, "Deleting"))
	remove(w, w.tables.Providers, lamina.Key(account, region, "cp1")) // the controller
	w.call("GET", providersPath+"/cp1", nil).refused(404, "ResourceNotFoundException", "Capacity provider not found: "+cpARN)
}

func TestRow15and16_CreateFunction(t *testing.T) {
	w := managed(t)
	w.call("POST", functionsPath, managedBody(t, "g")).ok(201).has(object{
		"State": "Pending", "StateReasonCode": "Creating", "StateReason": "The function is being created.",
		"LastUpdateStatus": nil, "SnapStart": nil, "MemorySize": 2048, "Version": "$LATEST",
		"LoggingConfig.LogFormat": "JSON", "LoggingConfig.ApplicationLogLevel": "INFO", "LoggingConfig.SystemLogLevel": "INFO",
		"LoggingConfig.LogGroup": "/aws/lambda/g",
		"CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig.PerExecutionEnvironmentMaxConcurrency": 16,
		"CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig.ExecutionEnvironmentMemoryGiBPerVCpu":  2,
	})
	w.get("").ok(200).has(object{"State": "ActiveNonInvocable", "LastUpdateStatus": "Successful", "StateReason": nil, "FunctionArn": fnARN})
	if w.tables.Versions.Len() != 0 {
		t.Error("a managed function's $LATEST has a version row")
	}
}

func TestRow17to24_FunctionRules(t *testing.T) {
	pattern := "arn:aws[a-zA-Z-]*:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:capacity-provider:[a-zA-Z0-9-_]+"
	inner := "capacityProviderConfig.lambdaManagedInstancesCapacityProviderConfig"
	for name, c := range map[string]struct {
		change object
		status int
		code   string
		text   string
	}{
		"17 no runtime":    {object{"Runtime": "nonsense"}, 400, "InvalidParameterValueException", "Value nonsense at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: …"},
		"17 python3.12":    {object{"Runtime": "python3.12"}, 400, "InvalidParameterValueException", "Runtime Enum python3.12 does not support specified feature: Lambda Managed Instances"},
		"18 memory 1024":   {object{"MemorySize": 1024}, 400, "ValidationException", "Lambda Managed Instance functions must have memory size greater than or equal to 2048"},
		"18 memory 3000":   {object{"MemorySize": 3000}, 400, "InvalidParameterValueException", fmt.Sprintf(textMemoryRatio, 3000, 2.0, 16)},
		"19 text":          {object{"LoggingConfig": object{"LogFormat": "Text"}}, 400, "InvalidParameterValueException", textTextLogLevel},
		"20 empty":         {object{"CapacityProviderConfig": object{}}, 400, "ValidationException", "1 validation error detected: Value null at '" + inner + "' failed to satisfy constraint: Member must not be null"},
		"20 no ARN":        {object{"CapacityProviderConfig": object{"LambdaManagedInstancesCapacityProviderConfig": object{}}}, 400, "ValidationException", "1 validation error detected: Value null at '" + inner + ".capacityProviderArn' failed to satisfy constraint: Member must not be null"},
		"20 bad ARN":       {object{"CapacityProviderConfig": capacity("cp1")}, 400, "ValidationException", "1 validation error detected: Value 'cp1' at '" + inner + ".capacityProviderArn' failed to satisfy constraint: Member must satisfy regular expression pattern: " + pattern},
		"21 unknown CP":    {object{"CapacityProviderConfig": capacity(cpARN + "x")}, 404, "ResourceNotFoundException", "Capacity provider not found: " + cpARN + "x"},
		"23 PEMC 0":        {object{"CapacityProviderConfig": capacity(cpARN, "PerExecutionEnvironmentMaxConcurrency", 0)}, 400, "ValidationException", "1 validation error detected: …"},
		"23 PEMC 1601":     {object{"CapacityProviderConfig": capacity(cpARN, "PerExecutionEnvironmentMaxConcurrency", 1601)}, 400, "ValidationException", "1 validation error detected: …"},
		"23 ratio 1.9":     {object{"CapacityProviderConfig": capacity(cpARN, "ExecutionEnvironmentMemoryGiBPerVCpu", 1.9)}, 400, "ValidationException", "1 validation error detected: …"},
		"23 ratio 8.1":     {object{"CapacityProviderConfig": capacity(cpARN, "ExecutionEnvironmentMemoryGiBPerVCpu", 8.1)}, 400, "ValidationException", "1 validation error detected: …"},
		"24 901 ordinary":  {object{"CapacityProviderConfig": nil, "Timeout": 901}, 400, "ValidationException", "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900"},
		"24 5401":          {object{"Timeout": 5401}, 400, "ValidationException", "1 validation error detected: …"},
		"29 bad PublishTo": {object{"Publish": true, "PublishTo": "X"}, 400, "ValidationException", "1 validation error detected: Value 'X' at 'publishTo' failed to satisfy constraint: Member must satisfy enum value set: [LATEST_PUBLISHED]"},
		"architecture":     {object{"Architectures": []string{"arm64"}}, 400, "InvalidParameterValueException", fmt.Sprintf(textArchitecture, "arm64", "x86_64")},
		"VpcConfig":        {object{"VpcConfig": object{"SubnetIds": []string{"subnet-a"}, "SecurityGroupIds": []string{"sg-a"}}}, 400, "InvalidParameterValueException", textManagedVPC},
		"SnapStart":        {object{"SnapStart": object{"ApplyOn": "PublishedVersions"}}, 400, "InvalidParameterValueException", textManagedSnapStart},
		"no zip":           {object{"Code": object{"ZipFile": "AAAA"}}, 400, "InvalidParameterValueException", "Could not unzip uploaded file. Please check your file, then try to upload again."},
		"no code":          {object{"Code": object{}}, 400, "InvalidParameterValueException", textNoCode},
		"from S3":          {object{"Code": object{"S3Bucket": "bucket", "S3Key": "k"}}, 400, "InvalidParameterValueException", textFromS3},
		"no handler":       {object{"Handler": nil}, 400, "InvalidParameterValueException", textMandatory},
		"layer":            {object{"Layers": []string{"arn:aws:lambda:us-east-1:111122223333:layer:l:1"}}, 400, "InvalidParameterValueException", "Layer version arn:aws:lambda:us-east-1:111122223333:layer:l:1 does not exist."},
		"reserved name":    {object{"Environment": object{"Variables": object{"AWS_REGION": "x", "OK": "y"}}}, 400, "InvalidParameterValueException", fmt.Sprintf(textEnvReserved, "AWS_REGION")},
		"big environment":  {object{"Environment": object{"Variables": object{"BIG": fmt.Sprintf("%04100d", 0)}}}, 400, "InvalidParameterValueException", "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit.…"},
		"bad role":         {object{"Role": opARN}, 400, "InvalidParameterValueException", textNotAssumable},
		"foreign role":     {object{"Role": "arn:aws:iam::999999999999:role/x"}, 403, "AccessDeniedException", textCrossAccountRole},
		"long name":        {object{"FunctionName": fmt.Sprintf("%065d", 7)}, 400, "ValidationException", fmt.Sprintf(textNameTooLong, fmt.Sprintf("%065d", 7))},
		"duplicate":        {object{"FunctionName": "f"}, 409, "ResourceConflictException", "Function already exist: f"},
		"ordinary to":      {object{"CapacityProviderConfig": nil, "Publish": true, "PublishTo": "LATEST_PUBLISHED"}, 400, "InvalidParameterValueException", textOrdinaryTo},
		"ordinary runtime": {object{"CapacityProviderConfig": nil, "Runtime": "cobol85"}, 400, "InvalidParameterValueException", "Value cobol85 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs20.x, python3.14, provided.al2023, …"},
	} {
		t.Run(name, func(t *testing.T) {
			w := managed(t)
			w.badRoles[opARN] = true
			blobsBefore, _ := w.service.Blobs.List()
			w.call("POST", functionsPath, with(managedBody(t, "g"), c.change)).refused(c.status, c.code, c.text)
			blobsAfter, _ := w.service.Blobs.List()
			if w.tables.Functions.Len() != 1 || len(blobsAfter) != len(blobsBefore) {
				t.Errorf("something was stored: %d functions, %d packages", w.tables.Functions.Len(), len(blobsAfter))
			}
		})
	}
	w := managed(t)
	w.call("POST", functionsPath, with(managedBody(t, "long"), object{"Timeout": 5400})).ok(201).has(object{"Timeout": 5400})
}

func TestRow22_OrdinaryStaysOrdinary(t *testing.T) {
	w := managed(t)
	w.call("POST", functionsPath, functionBody(t, "o")).ok(201)
	w.call("PUT", functionsPath+"/o/configuration", object{"CapacityProviderConfig": capacity(cpARN)}).
		refused(400, "InvalidParameterValueException", "CapacityProviderConfig isn't supported for Lambda Default functions.")
}

func TestRow25_PublishNumber(t *testing.T) {
	w := managed(t)
	w.publish(object{"Description": "first"}).ok(201).has(object{
		"Version": "1", "State": "Pending", "StateReasonCode": "Creating", "FunctionArn": fnARN + ":1", "Description": "first",
	})
	w.get("1").ok(200).has(object{"State": "Pending", "LastUpdateStatus": nil})
	w.settle("1")
	w.get("1").ok(200).has(object{"State": "Active", "LastUpdateStatus": "Successful", "StateReason": nil})
	// Terraform asks with a qualified ARN and a qualifier at once.
	w.call("GET", functionsPath+"/"+fnARN+":1/configuration?Qualifier=1", nil).ok(200).has(object{"Version": "1"})
	w.call("GET", functionsPath+"/f:1/configuration?Qualifier=2", nil).refused(400, "InvalidParameterValueException", textQualifierDiffers)
}

func TestRow26and27_PublishLatest(t *testing.T) {
	w := managed(t)
	w.publishLatest().ok(201).has(object{
		"Version": "$LATEST.PUBLISHED", "FunctionArn": fnARN + ":$LATEST.PUBLISHED", "State": "Pending",
		"LastUpdateStatus": "InProgress", "LastUpdateStatusReasonCode": "Updating", "LastUpdateStatusReason": "The function is being updated.",
	})
	w.publishLatest().refused(409, "ResourceConflictException", "The operation cannot be performed at this time. An update is in progress for resource: "+fnARN+":$LATEST.PUBLISHED")
	w.settle(lamina.LatestPublished)
	first := w.get(latestPublished).ok(200).has(object{"State": "Active", "LastUpdateStatus": "Successful"})
	w.call("PUT", functionsPath+"/f/code", object{"ZipFile": zipOf(t, "two")}).ok(200)
	w.publishLatest().ok(201).has(object{"State": "Active", "LastUpdateStatus": "InProgress", "LastUpdateStatusReasonCode": "Updating"})
	w.get(latestPublished).ok(200).has(object{"State": "Active", "LastUpdateStatus": "InProgress"})
	row, _ := w.tables.Versions.Get(versionKey(lamina.LatestPublished))
	v := row.Value
	if v.Generation != 2 || v.PreviousGen != 1 || v.Previous == nil || base64SHA(v.Previous.CodeSHA256) != first.at("CodeSha256") {
		t.Errorf("generation %d over %d, previous %+v", v.Generation, v.PreviousGen, v.Previous)
	}
	w.publishLatest().refused(409, "ResourceConflictException", "…")
	w.invoke("").ok(200) // the old generation serves
	// The new generation fails: the old one goes on, and another publish works.
	put(w, w.tables.VersionStatus, row.Key, lamina.VersionStatus{
		State: lamina.StateActive, UpdateStatus: lamina.UpdateFailed, UpdateReason: "x", UpdateReasonCode: "InternalError",
		Generation: 2, Serving: 1, Settled: true,
	})
	w.get(latestPublished).ok(200).has(object{"State": "Active", "LastUpdateStatus": "Failed", "LastUpdateStatusReason": "x"})
	w.publishLatest().ok(201).has(object{"State": "Active", "LastUpdateStatus": "InProgress"})
	row, _ = w.tables.Versions.Get(row.Key)
	if row.Value.Generation != 3 || row.Value.PreviousGen != 1 || row.Value.Previous == nil {
		t.Errorf("generation %d over %d", row.Value.Generation, row.Value.PreviousGen)
	}
}

func TestRow28_PublishUnchanged(t *testing.T) {
	w := managed(t)
	w.publish(object{}).ok(201).has(object{"Version": "1"})
	w.publish(object{}).ok(201).has(object{"Version": "1", "State": "Pending"})
	w.call("PUT", functionsPath+"/f/configuration", object{"Description": "other"}).ok(200)
	w.publish(object{}).ok(201).has(object{"Version": "2"})
	w.fail("2")
	w.publish(object{}).ok(201).has(object{"Version": "3"}) // a Failed one stays Failed
	w.call("DELETE", functionsPath+"/f?Qualifier=3", nil).ok(202)
	w.publish(object{}).ok(201).has(object{"Version": "4"})
}

func TestRow29_PublishTo(t *testing.T) {
	w := managed(t)
	text := "1 validation error detected: Value 'X' at 'publishTo' failed to satisfy constraint: Member must satisfy enum value set: [LATEST_PUBLISHED]"
	w.publish(object{"PublishTo": "X"}).refused(400, "ValidationException", text)
	w.call("PUT", functionsPath+"/f/code", object{"ZipFile": zipOf(t, "two"), "Publish": true, "PublishTo": "X"}).refused(400, "ValidationException", text)
}

func TestRow30_Failed(t *testing.T) {
	w := managed(t)
	w.publishLatest().ok(201)
	w.fail(lamina.LatestPublished)
	w.get(latestPublished).ok(200).has(object{
		"State": "Failed", "StateReasonCode": "CapacityProviderScalingLimitExceeded", "StateReason": lamina.TextVCPULimit,
		"LastUpdateStatus": "Failed", "LastUpdateStatusReasonCode": "CapacityProviderScalingLimitExceeded",
	})
	w.invoke("").refused(409, "ResourceConflictException", fmt.Sprintf(textWrongState, "Failed"))
	w.publishLatest().ok(201).has(object{"State": "Pending"})
	row, _ := w.tables.Versions.Get(versionKey(lamina.LatestPublished))
	if row.Value.Previous != nil || row.Value.Generation != 2 {
		t.Errorf("a failed generation is kept as serving: %+v", row.Value)
	}
}

func TestRow33_VersionLimit(t *testing.T) {
	w := managed(t)
	_, err := w.view.Update(t.Context(), func(tx *view.Tx) error {
		for i := range lamina.MaxProviderVersions {
			v := lamina.Version{Scope: scope, Function: "other", Qualifier: fmt.Sprint(i + 1), Config: lamina.FunctionConfig{Capacity: &lamina.FunctionCapacity{ProviderARN: cpARN}}}
			_ = tx.Do(w.tables.Versions.Put(v.Key(), v))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.publish(object{}).refused(400, "FunctionVersionsPerCapacityProviderLimitExceededException", fmt.Sprintf(textProviderVersionLimit, 100, cpARN))
	w.publishLatest().refused(400, "FunctionVersionsPerCapacityProviderLimitExceededException", "…")
	w.call("POST", functionsPath, with(managedBody(t, "g"), object{"Publish": true})).refused(400, "FunctionVersionsPerCapacityProviderLimitExceededException", "…")
}

func TestRow34to37_InvokeRules(t *testing.T) {
	w := managed(t)
	w.invoke("").refused(400, "NoPublishedVersionException", textNoPublished)
	w.invoke(latest).refused(400, "NoPublishedVersionException", textNoPublished)
	w.publishLatest().ok(201)
	w.invoke("").refused(409, "ResourceConflictException", "The operation cannot be performed at this time. The function is currently in the following state: Pending")
	w.settle(lamina.LatestPublished)
	a := w.invoke("").ok(200)
	if got := a.header.Get("X-Amz-Executed-Version"); got != "$LATEST.PUBLISHED" || a.raw != `"ok"` {
		t.Errorf("ran %q, answered %s", got, a.raw)
	}
	w.invoke(latest).refused(400, "InvalidParameterValueException", textInvokeLatest)
	w.invoke(latestPublished).ok(200)
	w.invoke("7").refused(404, "ResourceNotFoundException", "Function not found: "+fnARN+":7")
	w.invoke("nobody").refused(404, "ResourceNotFoundException", "Function not found: "+fnARN+":nobody")
	r := w.invoked[0]
	if r.VersionKey != versionKey(lamina.LatestPublished) || r.FunctionARN != fnARN || r.ColdStart != 0 || string(r.Payload) != `{"a":1}` || r.Timeout.Seconds() != 3 || r.RequestID == "" {
		t.Errorf("asked for %+v", r)
	}
}

func TestRow38_Tail(t *testing.T) {
	w := managed(t)
	w.publishLatest().ok(201)
	w.settle(lamina.LatestPublished)
	w.invoke("", "X-Amz-Log-Type", "Tail").refused(400, "InvalidParameterValueException", textTailManaged)
}

func TestRow39_Throttled(t *testing.T) {
	w := managed(t)
	w.publishLatest().ok(201)
	w.settle(lamina.LatestPublished)
	w.fault = throttled()
	a := w.invoke("")
	a.refused(429, "TooManyRequestsException", "Rate Exceeded.")
	a.has(object{"Reason": "ConcurrentInvocationLimitExceeded", "Type": "User"})
}

func TestRow48_PutScaling(t *testing.T) {
	w := managed(t)
	w.publishLatest().ok(201)
	path := "/2025-11-30/functions/f/function-scaling-config?Qualifier="
	body := object{"FunctionScalingConfig": object{"MinExecutionEnvironments": 1, "MaxExecutionEnvironments": 1}}
	w.call("PUT", path+latestPublished, body).refused(409, "ResourceConflictException", fmt.Sprintf(textWrongState, "Pending"))
	w.settle(lamina.LatestPublished)
	w.call("GET", path+latestPublished, nil).ok(200).has(object{
		"FunctionArn": fnARN + ":$LATEST.PUBLISHED", "AppliedFunctionScalingConfig.MinExecutionEnvironments": 3, "RequestedFunctionScalingConfig": nil,
	})
	w.call("PUT", path+latestPublished, body).ok(202).has(object{"FunctionState": "Active"})
	w.call("GET", path+latestPublished, nil).ok(200).has(object{
		"RequestedFunctionScalingConfig.MinExecutionEnvironments": 1, "RequestedFunctionScalingConfig.MaxExecutionEnvironments": 1,
		"AppliedFunctionScalingConfig.MinExecutionEnvironments": 3, "AppliedFunctionScalingConfig.MaxExecutionEnvironments": nil,
	})
	w.settle(lamina.LatestPublished) // applies it
	w.call("GET", path+latestPublished, nil).ok(200).has(object{
		"RequestedFunctionScalingConfig": nil, "AppliedFunctionScalingConfig.MaxExecutionEnvironments": 1,
	})
	w.call("PUT", path+latestPublished, object{}).ok(202) // back to the defaults
	w.call("GET", path+latestPublished, nil).ok(200).has(object{
		"RequestedFunctionScalingConfig.MinExecutionEnvironments": 3, "RequestedFunctionScalingConfig.MaxExecutionEnvironments": nil,
	})
}

func TestRow49_ScalingQualifiers(t *testing.T) {
	w := managed(t)
	path := "/2025-11-30/functions/f/function-scaling-config"
	for _, qualifier := range []string{"", "?Qualifier=live", "?Qualifier=" + latest} {
		w.call("PUT", path+qualifier, object{}).refused(400, "ValidationException", "1 validation error detected: …")
	}
	w.call("PUT", path+"?Qualifier=1", object{}).refused(404, "ResourceNotFoundException", "Function not found: "+fnARN+":1")
	w.call("POST", functionsPath, functionBody(t, "o")).ok(201)
	w.call("PUT", "/2025-11-30/functions/o/function-scaling-config?Qualifier=1", object{}).refused(403, "AccessDeniedException", textScalingOrdinary)
}

func TestRow50_Deactivate(t *testing.T) {
	w := managed(t)
	w.publish(object{}).ok(201)
	w.settle("1")
	path := "/2025-11-30/functions/f/function-scaling-config?Qualifier=1"
	pair := func(least, most any) object {
		return object{"FunctionScalingConfig": with(object{}, object{"MinExecutionEnvironments": least, "MaxExecutionEnvironments": most})}
	}
	w.call("PUT", path, pair(5, 4)).refused(400, "InvalidParameterValueException", fmt.Sprintf(textScalingOrder, 5, 4))
	w.call("PUT", path, pair(0, 4)).refused(400, "InvalidParameterValueException", textScalingZero)
	w.call("PUT", path, pair(0, nil)).refused(400, "InvalidParameterValueException", textScalingZero)
	w.call("PUT", path, pair(nil, 2)).refused(400, "InvalidParameterValueException", fmt.Sprintf(textScalingOrder, 3, 2))
	w.call("PUT", path, pair(0, 15001)).refused(400, "ValidationException", "1 validation error detected: …")
	w.call("PUT", path, pair(0, 0)).ok(202)
	status := lamina.VersionStatus{State: lamina.StateDeactivated, Generation: 1, Settled: true, Applied: &lamina.ScalingConfig{Min: new(int32), Max: new(int32)}}
	put(w, w.tables.VersionStatus, versionKey("1"), status)
	w.get("1").ok(200).has(object{"State": "Deactivated", "LastUpdateStatus": "Successful"})
	w.invoke("1").refused(409, "ResourceConflictException", fmt.Sprintf(textWrongState, "Deactivated"))
	w.call("PUT", path, pair(3, 10)).ok(202).has(object{"FunctionState": "Deactivated"})
}

func TestRow51_ScalingOfFailed(t *testing.T) {
	w := managed(t)
	w.publish(object{}).ok(201)
	w.fail("1")
	w.call("PUT", "/2025-11-30/functions/f/function-scaling-config?Qualifier=1", object{}).
		refused(409, "ResourceConflictException", fmt.Sprintf(textWrongState, "Failed"))
}

func TestRow52_ScalingSurvives(t *testing.T) {
	w := managed(t)
	w.publishLatest().ok(201)
	w.settle(lamina.LatestPublished)
	path := "/2025-11-30/functions/f/function-scaling-config?Qualifier="
	w.call("PUT", path+latestPublished, object{"FunctionScalingConfig": object{"MinExecutionEnvironments": 1, "MaxExecutionEnvironments": 7}}).ok(202)
	w.settle(lamina.LatestPublished)
	w.publishLatest().ok(201)
	w.settle(lamina.LatestPublished)
	w.call("GET", path+latestPublished, nil).ok(200).has(object{"AppliedFunctionScalingConfig.MaxExecutionEnvironments": 7})
	w.publish(object{}).ok(201)
	w.settle("1")
	w.call("GET", path+"1", nil).ok(200).has(object{
		"AppliedFunctionScalingConfig.MinExecutionEnvironments": 3, "AppliedFunctionScalingConfig.MaxExecutionEnvironments": nil,
	})
}

func TestRow53_VersionsOfProvider(t *testing.T) {
	w := managed(t)
	path := providersPath + "/cp1/function-versions"
	w.call("GET", path, nil).ok(200).has(object{"CapacityProviderArn": cpARN, "FunctionVersions": []any{}})
	w.publishLatest().ok(201)
	w.publish(object{}).ok(201)
	w.settle("1")
	w.call("GET", path, nil).ok(200).has(object{
		"FunctionVersions.0.FunctionArn": fnARN + ":$LATEST.PUBLISHED", "FunctionVersions.0.State": "Pending",
		"FunctionVersions.1.FunctionArn": fnARN + ":1", "FunctionVersions.1.State": "Active",
	})
	w.call("GET", path+"?MaxItems=51", nil).refused(400, "ValidationException", "…")
	w.call("GET", providersPath+"/none/function-versions", nil).refused(404, "ResourceNotFoundException", "…")
}

func TestRow54_DeleteManaged(t *testing.T) {
	w := managed(t)
	w.publish(object{}).ok(201)
	w.call("POST", functionsPath+"/f/aliases", object{"Name": "live", "FunctionVersion": "1"}).ok(201)
	w.call("DELETE", functionsPath+"/f?Qualifier="+latest, nil).refused(400, "InvalidParameterValueException", textDeleteLatest)
	w.call("DELETE", functionsPath+"/f?Qualifier=live", nil).refused(400, "InvalidParameterValueException", textDeleteAlias)
	w.call("DELETE", functionsPath+"/f?Qualifier=1", nil).refused(409, "ResourceConflictException", fmt.Sprintf(textAliasReferences, "[live]"))
	w.call("DELETE", functionsPath+"/f/aliases/live", nil).ok(204)
	w.call("DELETE", functionsPath+"/f?Qualifier=1", nil).ok(202)
	w.get("1").ok(200).has(object{"State": "Deleting", "LastUpdateStatus": "InProgress"})
	before := w.get("").at("RevisionId")
	w.call("DELETE", functionsPath+"/f", nil).ok(202)
	w.get("").ok(200).has(object{"State": "Deleting", "LastUpdateStatus": "InProgress", "RevisionId": before})
	w.call("POST", functionsPath, managedBody(t, "f")).refused(409, "ResourceConflictException", "Function already exist: f")
	w.publish(object{}).refused(409, "ResourceConflictException", fmt.Sprintf(textWrongState, "Deleting"))
	w.call("DELETE", functionsPath+"/f", nil).ok(202)
	remove(w, w.tables.Functions, lamina.Key(account, region, "f")) // the controller
	w.get("").refused(404, "ResourceNotFoundException", "Function not found: "+fnARN)
	w.call("DELETE", functionsPath+"/f", nil).refused(404, "ResourceNotFoundException", "Function not found: "+fnARN)
}

func TestRow55_UpdateDuringUpdate(t *testing.T) {
	w := managed(t)
	w.call("POST", functionsPath, with(managedBody(t, "g"), object{"Publish": true, "PublishTo": "LATEST_PUBLISHED"})).ok(201)
	text := fmt.Sprintf(textWrongState, "Pending")
	w.call("PUT", functionsPath+"/g/configuration", object{"Description": "x"}).refused(409, "ResourceConflictException", text)
	w.call("PUT", functionsPath+"/g/code", object{"ZipFile": zipOf(t, "two")}).refused(409, "ResourceConflictException", text)
	w.call("POST", functionsPath+"/g/versions", object{"PublishTo": "LATEST_PUBLISHED"}).refused(409, "ResourceConflictException", "The operation cannot be performed at this time. An update is in progress for resource: …")
}

func TestRow57_AliasToLatestPublished(t *testing.T) {
	w := managed(t)
	w.call("POST", functionsPath+"/f/aliases", object{"Name": "live", "FunctionVersion": "$LATEST.PUBLISHED"}).
		refused(404, "ResourceNotFoundException", "Function not found: "+fnARN+":$LATEST.PUBLISHED")
	w.publishLatest().ok(201)
	w.call("POST", functionsPath+"/f/aliases", object{"Name": "live", "FunctionVersion": "$LATEST.PUBLISHED"}).ok(201)
	w.settle(lamina.LatestPublished)
	a := w.invoke("live").ok(200)
	if a.header.Get("X-Amz-Executed-Version") != "$LATEST.PUBLISHED" || w.invoked[0].FunctionARN != fnARN+":live" {
		t.Errorf("ran %v for %s", a.header, w.invoked[0].FunctionARN)
	}
}
