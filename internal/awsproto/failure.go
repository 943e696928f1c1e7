package awsproto

import (
	"errors"
	"net/http"
	"strings"
)

// awsError is how awsproto knows an error that is meant for the caller.
type awsError interface {
	error
	AWSError() (code, message, reason string)
}

// failure is an error ready to be written.
type failure struct {
	status                int
	code, message, reason string
	line                  errorLine // zero where the model has no such error
}

// fail answers with an error. What has no AWS code is an internal fault: the
// operator reads it in the log, the caller learns nothing of it.
func (x *exchange) fail(err error) {
	aws, ok := errors.AsType[awsError](err)
	if !ok {
		if x.r.Context().Err() == nil {
			x.mux.config.Log.Error("request failed", "service", x.call.Service, "operation", x.call.Operation,
				"requestId", x.call.RequestID, "err", err)
		}
		x.writeFault(x.internal())
		return
	}
	f := failure{}
	f.code, f.message, f.reason = aws.AWSError()
	if x.protocol.xml() {
		f.code, f.message = x.spell(f.code, f.message)
	}
	f.line = x.table.errors[f.code]
	if f.line.code != "" {
		f.code = f.line.code
	}
	f.status = x.status(f, err)
	x.writeFault(f)
}

func (x *exchange) status(f failure, err error) int {
	if own, ok := errors.AsType[*Fault](err); ok && own.status != 0 {
		return own.status
	}
	if f.line.status != 0 {
		return f.line.status
	}
	if s, ok := statusOf[f.code]; ok {
		return s
	}
	return http.StatusBadRequest
}

// internal is what a caller sees of an internal fault.
func (x *exchange) internal() failure {
	f := failure{status: http.StatusInternalServerError, code: "InternalFailure"}
	switch {
	case x.protocol == ec2Query:
		f.code, f.message = "InternalError", "An internal error has occurred"
	case x.protocol == query:
		f.message = "The request processing has failed because of an unknown error, exception or failure."
	case x.call.Service == "lambda":
		f.code, f.message = "ServiceException", "An internal error occurred. Try again later."
		f.line = x.table.errors[f.code]
	}
	return f
}

// statusOf gives the HTTP status of codes that no model lists; others are 400.
var statusOf = map[string]int{
	"AccessDenied":                        http.StatusForbidden,
	"AccessDeniedException":               http.StatusForbidden,
	"UnauthorizedOperation":               http.StatusForbidden,
	"UnrecognizedClientException":         http.StatusForbidden,
	"InvalidClientTokenId":                http.StatusForbidden,
	"MissingAuthenticationToken":          http.StatusForbidden,
	"MissingAuthenticationTokenException": http.StatusForbidden,
	"InvalidSignatureException":           http.StatusForbidden,
	"SignatureDoesNotMatch":               http.StatusForbidden,
	"ExpiredToken":                        http.StatusForbidden,
	"ExpiredTokenException":               http.StatusForbidden,
	"OptInRequired":                       http.StatusForbidden,
	"AuthFailure":                         http.StatusUnauthorized,
	"UnknownOperationException":           http.StatusNotFound,
	"DryRunOperation":                     http.StatusPreconditionFailed,
	"RequestEntityTooLargeException":      http.StatusRequestEntityTooLarge,
	"RequestTooLargeException":            http.StatusRequestEntityTooLarge,
	"InternalError":                       http.StatusInternalServerError,
	"InternalFailure":                     http.StatusInternalServerError,
	"ServiceException":                    http.StatusInternalServerError,
	"ServiceFailure":                      http.StatusInternalServerError,
	"ServiceUnavailable":                  http.StatusServiceUnavailable,
	"ServiceUnavailableException":         http.StatusServiceUnavailable,
	"Unavailable":                         http.StatusServiceUnavailable,
	"RequestLimitExceeded":                http.StatusServiceUnavailable,
	"TooManyRequestsException":            http.StatusTooManyRequests,
}

// formCode spells the shared codes of the JSON protocols as IAM and STS do,
// and then as EC2 does.
var formCode = map[string][2]string{
	"MissingAuthenticationTokenException": {"MissingAuthenticationToken", "MissingAuthenticationToken"},
	"IncompleteSignatureException":        {"IncompleteSignature", "IncompleteSignature"},
	"InvalidSignatureException":           {"SignatureDoesNotMatch", "AuthFailure"},
	"UnrecognizedClientException":         {"InvalidClientTokenId", "AuthFailure"},
	"ExpiredTokenException":               {"ExpiredToken", "RequestExpired"},
	"AccessDeniedException":               {"AccessDenied", "UnauthorizedOperation"},
	"RequestEntityTooLargeException":      {"RequestEntityTooLarge", "RequestEntityTooLarge"},
	"SerializationException":              {"MalformedInput", "InvalidRequest"},
	"ValidationException":                 {"ValidationError", "InvalidParameterValue"},
	"ServiceUnavailableException":         {"ServiceUnavailable", "Unavailable"},
	"ThrottlingException":                 {"Throttling", "RequestLimitExceeded"},
}

// textAuthFailure is EC2's one text for keys and signatures that do not fit.
const textAuthFailure = "AWS was not able to validate the provided access credentials"

// spell translates a code of the JSON protocols for a form protocol. A code
// the service models itself stays.
func (x *exchange) spell(code, message string) (string, string) {
	names, ok := formCode[code]
	if _, modelled := x.table.errors[code]; !ok || modelled {
		return code, message
	}
	if x.protocol == query {
		return names[0], message
	}
	if code == "InvalidSignatureException" && strings.HasPrefix(message, "Signature expired") {
		return "RequestExpired", "Request has expired."
	}
	if names[1] == "AuthFailure" {
		message = textAuthFailure
	}
	return names[1], message
}

// writeFault encodes an error as its protocol wants it.
func (x *exchange) writeFault(f failure) {
	if x.begun {
		x.failStream(f)
		return
	}
	switch x.protocol {
	case query:
		x.write(f.status, x.faultQuery(f))
	case ec2Query:
		x.write(f.status, x.faultEC2(f))
	case rpcCBOR:
		x.write(f.status, x.faultCBOR(f))
	case restXML:
		x.write(f.status, x.faultS3(f))
	default:
		x.write(f.status, x.faultJSON(f))
	}
}

// faultJSON is the body of the JSON protocols: REST names the error in a
// header, JSON 1.1 in __type. Members are cased as the error's shape has them.
func (x *exchange) faultJSON(f failure) []byte {
	b := []byte{'{'}
	if x.protocol == awsJSON {
		b = append(appendString(append(b, `"__type":`...), x.typeOf(f)), ',')
	} else {
		x.w.Header()["X-Amzn-Errortype"] = []string{f.code}
	}
	if f.reason != "" && f.line.reason {
		b = append(appendString(append(b, `"Reason":`...), f.reason), ',')
	}
	if f.line.typed {
		b = append(appendString(append(b, `"Type":`...), f.line.side()), ',')
	}
	b = append(appendString(b, f.messageKey()), ':')
	return append(appendString(b, f.message), '}')
}

// typeOf is an error's name in __type. A service that once spoke Query only
// gives its old code in a header, from which all SDKs take it.
func (x *exchange) typeOf(f failure) string {
	if !x.table.queryCompatible() {
		return f.code
	}
	side := "Sender"
	if f.status >= http.StatusInternalServerError {
		side = "Receiver"
	}
	x.w.Header()["X-Amzn-Query-Error"] = []string{f.code + ";" + side}
	return firstOf(f.line.shape, f.code)
}

// faultCBOR is the map of an error in rpc-v2-cbor.
func (x *exchange) faultCBOR(f failure) []byte {
	b := appendHead(nil, majorMap, 2)
	b = appendCBORText(appendCBORText(b, "__type"), x.typeOf(f))
	return appendCBORText(appendCBORText(b, f.messageKey()), f.message)
}

// side says whose fault an error is.
func (l errorLine) side() string {
	if l.fault {
		return "Service"
	}
	return "User"
}

// messageKey is "message", but where the shape or the gate before the service
// writes it large.
func (f failure) messageKey() string {
	switch {
	case f.line.message != "":
		return f.line.message
	case f.code == "AccessDeniedException":
		return "Message"
	}
	return "message"
}

func (x *exchange) faultQuery(f failure) []byte {
	side := "Sender"
	if f.status >= http.StatusInternalServerError {
		side = "Receiver"
	}
	w := &xmlWriter{protocol: query}
	w.root("ErrorResponse", x.table.namespace)
	w.open("Error")
	w.element("Type", side)
	w.element("Code", f.code)
	w.element("Message", f.message)
	w.close("Error")
	w.element("RequestId", x.call.RequestID)
	w.close("ErrorResponse")
	return w.b
}

func (x *exchange) faultS3(f failure) []byte {
	w := &xmlWriter{protocol: restXML, b: []byte(xmlHead)}
	w.open("Error")
	w.element("Code", f.code)
	w.element("Message", f.message)
	w.element("RequestId", x.call.RequestID)
	w.close("Error")
	return w.b
}

func (x *exchange) faultEC2(f failure) []byte {
	w := &xmlWriter{protocol: ec2Query, b: []byte(xmlHead)}
	w.open("Response")
	w.open("Errors")
	w.open("Error")
	w.element("Code", f.code)
	w.element("Message", f.message)
	w.close("Error")
	w.close("Errors")
	w.element("RequestID", x.call.RequestID)
	w.close("Response")
	return w.b
}
