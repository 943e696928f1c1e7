package lambda

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
)

// reservedVariables belong to the service. From AWS's page on environment
// variables; AWS_LAMBDA_MAX_CONCURRENCY is added (chosen).
var reservedVariables = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV",
	"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION",
	"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
	"AWS_LAMBDA_MAX_CONCURRENCY", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY",
	"AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT",
}

func checkEnvironment(variables map[string]string) error {
	var reserved []string
	for _, name := range reservedVariables {
		if _, ok := variables[name]; ok {
			reserved = append(reserved, name)
		}
	}
	if len(reserved) > 0 {
		slices.Sort(reserved)
		return lamina.Errorf(lamina.CodeInvalidParameter, textEnvReserved, strings.Join(reserved, ", "))
	}
	if len(variables) == 0 {
		return nil
	}
	measured, err := json.Marshal(variables)
	if err != nil {
		return lamina.Errorf(lamina.CodeInvalidParameter, "Environment variables must be text.")
	}
	if len(measured) > maxEnvironmentBytes {
		return lamina.Errorf(lamina.CodeInvalidParameter, textEnvSize, measured)
	}
	return nil
}
