package lamina

import (
	"errors"
	"fmt"
)

// Error is a failure with a meaning for the API's caller: an AWS error code and
// the text that AWS gives. Everything that is not an *Error is an internal
// fault: it is shown to the operator and reaches the caller as a 500 without detail.
type Error struct {
	Code    string // AWS's error code, e.g. "ResourceNotFoundException" or "InvalidSubnetID.NotFound"
	Message string
	Reason  string // TooManyRequestsException's Reason member; empty elsewhere
	Cause   error  // what the operator sees besides; never sent to the caller
}

// Errorf makes an *Error with a formatted message.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Code + ": " + e.Message + ": " + e.Cause.Error()
	}
	return e.Code + ": " + e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

// AWSError gives what the wire layer needs: code, text and the optional Reason.
func (e *Error) AWSError() (code, message, reason string) { return e.Code, e.Message, e.Reason }

// ErrorCode is the AWS code inside err, or "" when err is nil or carries none.
func ErrorCode(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// Codes that more than one package gives or asks for. The texts stand where the
// rule is checked.
const (
	CodeInvalidParameter  = "InvalidParameterValueException"
	CodeResourceNotFound  = "ResourceNotFoundException"
	CodeResourceConflict  = "ResourceConflictException"
	CodeTooManyRequests   = "TooManyRequestsException"
	CodeValidation        = "ValidationException"
	CodeServiceException  = "ServiceException"
	CodePrecondition      = "PreconditionFailedException"
	CodeNoPublished       = "NoPublishedVersionException"
	CodeInvalidRequest    = "InvalidRequestContentException"
	CodeAccessDenied      = "AccessDeniedException"
	CodeServiceNotRunning = "ServiceUnavailableException"
)
