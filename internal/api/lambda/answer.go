package lambda

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
)

// timeForm is how Lambda writes times: 2026-11-24T04:00:00.000+0000.
const timeForm = "2006-01-02T15:04:05.000-0700"

func timestamp(t time.Time) *string { return new(t.UTC().Format(timeForm)) }

// given is nil for the empty string, which answers leave out.
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// latestAnswer describes $LATEST. The ARN is qualified where AWS does so: in
// lists of versions and when the caller asked for the qualifier.
func latestAnswer(f lamina.Function, qualified bool, st standing) *model.FunctionConfiguration {
	qualifier := ""
	if qualified {
		qualifier = lamina.Latest
	}
	out := describe(f.Scope, f.Name, f.Config)
	out.FunctionArn = new(lamina.FunctionARN(f.Scope, f.Name, qualifier))
	out.Version = new(lamina.Latest)
	out.RevisionId = new(st.revision(f))
	out.LastModified = timestamp(f.LastModified)
	st.show(out)
	return out
}

func versionAnswer(v lamina.Version, st standing) *model.FunctionConfiguration {
	out := describe(v.Scope, v.Function, v.Config)
	out.FunctionArn = new(v.ARN())
	out.Version = new(v.Qualifier)
	out.RevisionId = new(v.RevisionID)
	out.LastModified = timestamp(v.LastModified)
	st.show(out)
	return out
}

func (st standing) show(out *model.FunctionConfiguration) {
	out.State = given(string(st.state))
	out.StateReason = given(st.reason)
	out.StateReasonCode = given(st.code)
	out.LastUpdateStatus = given(st.update)
	out.LastUpdateStatusReason = given(st.updateReason)
	out.LastUpdateStatusReasonCode = given(st.updateCode)
}

// listed leaves out what AWS leaves out of lists.
func listed(c *model.FunctionConfiguration) model.FunctionConfiguration {
	standing{}.show(c)
	c.RuntimeVersionConfig = nil
	return *c
}

func describe(scope lamina.Scope, name string, c lamina.FunctionConfig) *model.FunctionConfiguration {
	out := &model.FunctionConfiguration{
		FunctionName:     &name,
		Runtime:          given(c.Runtime),
		Role:             &c.RoleARN,
		Handler:          given(c.Handler),
		CodeSize:         &c.CodeSize,
		CodeSha256:       new(codeSHA(c)),
		Description:      &c.Description,
		Timeout:          &c.TimeoutSec,
		MemorySize:       &c.MemoryMB,
		KMSKeyArn:        given(c.KMSKeyARN),
		TracingConfig:    &model.TracingConfigResponse{Mode: &c.Tracing},
		PackageType:      &c.PackageType,
		Architectures:    []string{c.Architecture},
		EphemeralStorage: &model.EphemeralStorage{Size: &c.TmpMB},
		LoggingConfig:    describeLogging(c.Logging),
		VpcConfig:        describeVPC(c.VPC),
		ConfigSha256:     new(configSHA(c)),
	}
	if c.DeadLetter != "" {
		out.DeadLetterConfig = &model.DeadLetterConfig{TargetArn: &c.DeadLetter}
	}
	if len(c.Environment) > 0 {
		out.Environment = &model.EnvironmentResponse{Variables: c.Environment}
	}
	if c.Runtime != "" {
		out.RuntimeVersionConfig = &model.RuntimeVersionConfig{RuntimeVersionArn: new(lamina.RuntimeVersionARN(scope.Region, c.Runtime))}
	}
	for _, l := range c.Layers {
		out.Layers = append(out.Layers, model.Layer{Arn: new(l.ARN), CodeSize: new(l.Size)})
	}
	describeImage(out, c)
	describeCapacity(out, c.Capacity)
	return out
}

// describeCapacity tells a managed function from an ordinary one, which alone
// has a SnapStart member.
func describeCapacity(out *model.FunctionConfiguration, c *lamina.FunctionCapacity) {
	if c == nil {
		out.SnapStart = &model.SnapStartResponse{
			ApplyOn:            new(model.SnapStartApplyOnNone),
			OptimizationStatus: new(model.SnapStartOptimizationStatusOff),
		}
		return
	}
	out.CapacityProviderConfig = &model.CapacityProviderConfig{
		LambdaManagedInstancesCapacityProviderConfig: &model.LambdaManagedInstancesCapacityProviderConfig{
			CapacityProviderArn:                   &c.ProviderARN,
			PerExecutionEnvironmentMaxConcurrency: &c.MaxConcurrency,
			ExecutionEnvironmentMemoryGiBPerVCpu:  &c.GiBPerVCPU,
		},
	}
}

func describeLogging(l lamina.LoggingConfig) *model.LoggingConfig {
	return &model.LoggingConfig{
		LogFormat:           &l.Format,
		ApplicationLogLevel: given(l.ApplicationLevel),
		SystemLogLevel:      given(l.SystemLevel),
		LogGroup:            &l.Group,
	}
}

func describeVPC(v *lamina.FunctionVPC) *model.VpcConfigResponse {
	if v == nil {
		return nil
	}
	return &model.VpcConfigResponse{
		SubnetIds:               v.SubnetIDs,
		SecurityGroupIds:        v.SecurityGroupIDs,
		VpcId:                   &v.VPCID,
		Ipv6AllowedForDualStack: &v.IPv6,
	}
}

// base64SHA is how the API shows a SHA-256 that the domain keeps in hex.
func base64SHA(hexSHA string) string {
	raw, err := hex.DecodeString(hexSHA)
	if err != nil {
		return hexSHA
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// configSHA is ConfigSha256: a SHA-256 over everything a version freezes. AWS's
// own algorithm and coverage are not known (chosen).
func configSHA(c lamina.FunctionConfig) string {
	c.CodeUnpacked = 0 // follows from the code, and was not always stored
	raw, err := json.Marshal(c)
	if err != nil {
		panic("lambda: encoding a function configuration: " + err.Error())
	}
	sum := sha256.Sum256(raw)
	return base64.StdEncoding.EncodeToString(sum[:])
}
