package awsproto

import "fmt"

// Fault is a refusal that the wire layer itself gives: an AWS error code with
// its text.
type Fault struct {
	Code    string
	Message string
	reason  string
	status  int
}

func (f *Fault) Error() string { return f.Code + ": " + f.Message }

// AWSError gives code and text in the form all of Lamina's errors have.
func (f *Fault) AWSError() (code, message, reason string) { return f.Code, f.Message, f.reason }

func faultf(code, format string, args ...any) *Fault {
	return &Fault{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Codes of the wire layer, in the JSON protocols' spelling.
const (
	codeSerialization    = "SerializationException"
	codeUnknownOperation = "UnknownOperationException"
	codeMissingToken     = "MissingAuthenticationTokenException"
	codeTooLarge         = "RequestEntityTooLargeException"
	codePayloadTooLarge  = "RequestTooLargeException"
	codeMalformed        = "MalformedInput"
	codeInvalidValue     = "InvalidParameterValue"
	codeBodyTimeout      = "RequestTimeoutException"
	codeThrottling       = "ThrottlingException"
	codeTooManyRequests  = "TooManyRequestsException"
)

// Texts of the wire layer.
const (
	textUnserved    = "Lamina does not serve "
	textNoGzip      = "The request body is not valid gzip"
	textThrottled   = "Rate exceeded"           // of Lambda's control plane
	reasonThrottled = "CallerRateLimitExceeded" // of the model's throttling reasons
)
