package lambda

import (
	"fmt"
	"maps"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
)

// settings is what CreateFunction and UpdateFunctionConfiguration have in
// common. Nil members were not sent.
type settings struct {
	runtime, role, handler, description, kmsKey *string
	timeout, memory                             *int32
	vpc                                         *model.VpcConfig
	environment                                 *model.Environment
	deadLetter                                  *model.DeadLetterConfig
	tracing                                     *model.TracingConfig
	layers                                      []string
	files                                       []model.FileSystemConfig
	image                                       *model.ImageConfig
	tmp                                         *model.EphemeralStorage
	snapStart                                   *model.SnapStart
	logging                                     *model.LoggingConfig
	capacity                                    *model.CapacityProviderConfig
	durable                                     *model.DurableConfig
}

func settingsOfCreate(in *model.CreateFunctionRequest) settings {
	return settings{
		runtime: in.Runtime, role: in.Role, handler: in.Handler, description: in.Description, kmsKey: in.KMSKeyArn,
		timeout: in.Timeout, memory: in.MemorySize, vpc: in.VpcConfig, environment: in.Environment,
		deadLetter: in.DeadLetterConfig, tracing: in.TracingConfig, layers: in.Layers, files: in.FileSystemConfigs,
		image: in.ImageConfig, tmp: in.EphemeralStorage, snapStart: in.SnapStart, logging: in.LoggingConfig,
		capacity: in.CapacityProviderConfig, durable: in.DurableConfig,
	}
}

func settingsOfUpdate(in *model.UpdateFunctionConfigurationRequest) settings {
	return settings{
		runtime: in.Runtime, role: in.Role, handler: in.Handler, description: in.Description, kmsKey: in.KMSKeyArn,
		timeout: in.Timeout, memory: in.MemorySize, vpc: in.VpcConfig, environment: in.Environment,
		deadLetter: in.DeadLetterConfig, tracing: in.TracingConfig, layers: in.Layers, files: in.FileSystemConfigs,
		image: in.ImageConfig, tmp: in.EphemeralStorage, snapStart: in.SnapStart, logging: in.LoggingConfig,
		capacity: in.CapacityProviderConfig, durable: in.DurableConfig,
	}
}

// defaults is the configuration of a function before its creator's settings.
func defaults(name string, managed bool) lamina.FunctionConfig {
	c := lamina.FunctionConfig{
		PackageType:  model.PackageTypeZip,
		MemoryMB:     defaultOrdinaryMemory,
		TimeoutSec:   defaultTimeout,
		TmpMB:        defaultTmp,
		Architecture: model.ArchitectureX8664,
		Tracing:      model.TracingModePassThrough,
		Logging:      lamina.LoggingConfig{Format: model.LogFormatText, Group: "/aws/lambda/" + name},
	}
	if managed {
		c.MemoryMB = defaultManagedMemory
		c.Logging.Format = model.LogFormatJson
		c.Capacity = &lamina.FunctionCapacity{GiBPerVCPU: defaultRatio}
	}
	return c
}

// apply overlays the settings on a configuration, without judging the outcome
// but for the parts that belong together. VPC and capacity come separately, as
// they need to be looked up.
func (in settings) apply(c *lamina.FunctionConfig) error {
	set(&c.Runtime, in.runtime)
	set(&c.RoleARN, in.role)
	set(&c.Handler, in.handler)
	set(&c.Description, in.description)
	set(&c.KMSKeyARN, in.kmsKey)
	set(&c.TimeoutSec, in.timeout)
	set(&c.MemoryMB, in.memory)
	if in.environment != nil {
		c.Environment = maps.Clone(in.environment.Variables)
	}
	if in.deadLetter != nil {
		c.DeadLetter = ""
		set(&c.DeadLetter, in.deadLetter.TargetArn)
	}
	if in.tracing != nil {
		set(&c.Tracing, in.tracing.Mode)
	}
	if in.tmp != nil {
		set(&c.TmpMB, in.tmp.Size)
	}
	applyImage(c, in.image)
	return in.applyLogging(c)
}

func set[T any](to *T, value *T) {
	if value != nil {
		*to = *value
	}
}

// applyLogging fills the levels that JSON logs have and text logs have not.
func (in settings) applyLogging(c *lamina.FunctionConfig) error {
	l := &c.Logging
	if in.logging != nil {
		set(&l.Format, in.logging.LogFormat)
		set(&l.Group, in.logging.LogGroup)
		levels := in.logging.ApplicationLogLevel != nil || in.logging.SystemLogLevel != nil
		if l.Format == model.LogFormatText && (levels || c.Managed()) {
			return lamina.Errorf(lamina.CodeInvalidParameter, textTextLogLevel)
		}
		set(&l.ApplicationLevel, in.logging.ApplicationLogLevel)
		set(&l.SystemLevel, in.logging.SystemLogLevel)
	}
	if l.Format == model.LogFormatText {
		l.ApplicationLevel, l.SystemLevel = "", ""
		return nil
	}
	if l.ApplicationLevel == "" {
		l.ApplicationLevel = model.ApplicationLogLevelInfo
	}
	if l.SystemLevel == "" {
		l.SystemLevel = model.SystemLogLevelInfo
	}
	return nil
}

// unsupported refuses what would be accepted and then do nothing.
func (in settings) unsupported(managed bool) error {
	snap := in.snapStart != nil && in.snapStart.ApplyOn != nil && *in.snapStart.ApplyOn != model.SnapStartApplyOnNone
	switch {
	case managed && snap:
		return lamina.Errorf(lamina.CodeInvalidParameter, textManagedSnapStart)
	case managed && in.vpc != nil && len(in.vpc.SubnetIds)+len(in.vpc.SecurityGroupIds) > 0:
		return lamina.Errorf(lamina.CodeInvalidParameter, textManagedVPC)
	case snap:
		return notYet("SnapStart")
	case len(in.files) > 0:
		return notYet("FileSystemConfigs")
	case in.durable != nil:
		return notYet("DurableConfig")
	}
	return nil
}

func notYet(what string) error {
	return lamina.Errorf(lamina.CodeInvalidParameter, textNotYet, what)
}

// overMaximum is the validation text of a number above its limit.
func overMaximum(member string, value, limit int32) error {
	return lamina.Errorf(lamina.CodeValidation, textMaximum, value, member, limit)
}

// checkConfig judges a whole configuration by the rules that need nothing but it.
func checkConfig(c lamina.FunctionConfig) error {
	if err := checkPackaging(c); err != nil {
		return err
	}
	check := checkOrdinary
	if c.Managed() {
		check = checkManaged
	}
	if err := check(c); err != nil {
		return err
	}
	return checkEnvironment(c.Environment)
}

func checkOrdinary(c lamina.FunctionConfig) error {
	if c.PackageType != lamina.PackageImage {
		if err := checkRuntime(c.Runtime); err != nil {
			return err
		}
	}
	if c.TimeoutSec > maxOrdinaryTimeout {
		return overMaximum("timeout", c.TimeoutSec, maxOrdinaryTimeout)
	}
	if c.MemoryMB > maxOrdinaryMemory {
		return overMaximum("memorySize", c.MemoryMB, maxOrdinaryMemory)
	}
	return nil
}

// checkManaged is lmi-service.md 3.1.
func checkManaged(c lamina.FunctionConfig) error {
	if c.PackageType != lamina.PackageImage && !managedRuntimes[c.Runtime] {
		if err := checkRuntime(c.Runtime); err != nil {
			return err
		}
		return lamina.Errorf(lamina.CodeInvalidParameter, textManagedRuntime, c.Runtime)
	}
	if c.MemoryMB < minManagedMemory {
		return lamina.Errorf(lamina.CodeValidation, textManagedMemory)
	}
	if _, ok := wholeVCPUs(c.MemoryMB, c.Capacity.GiBPerVCPU); !ok {
		return lamina.Errorf(lamina.CodeInvalidParameter, textMemoryRatio, c.MemoryMB, c.Capacity.GiBPerVCPU, maxManagedVCPUs)
	}
	return nil
}

// wholeVCPUs is memory divided by ratio, which must come out whole. Ratios are
// doubles, so "whole" is to within half an MB (chosen).
func wholeVCPUs(memoryMB int32, ratio float64) (int32, bool) {
	exact := float64(memoryMB) / 1024 / ratio
	n := int32(exact + 0.5)
	off := float64(memoryMB) - float64(n)*ratio*1024
	return n, n >= 1 && n <= maxManagedVCPUs && off < 0.5 && off > -0.5
}

// unknownProvider is AWS's answer wherever a provider's ARN leads nowhere.
func unknownProvider(arn string) error {
	return &lamina.Error{Code: lamina.CodeResourceNotFound, Message: fmt.Sprintf(textProviderNotFound, arn)}
}
