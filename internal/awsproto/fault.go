package awsproto

import "fmt"

// Fault is a refusal that the wire layer itself gives: an AWS error code with
// its text.
type Fault struct {
	Code    string
	Message string
	status  int
}

func (f *Fault) Error() string { return f.Code + ": " + f.Message }

// AWSError gives code and text in the form all of Lamina's errors have.
func (f *Fault) AWSError() (code, message, reason string) { return f.Code, f.Message, "" }

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
)
