package awsproto

import (
	"net/http"
	"reflect"
	"strconv"
	"time"
)

// Content types of the protocols.
var (
	typeJSON   = []string{"application/json"}
	typeJSON10 = []string{"application/x-amz-json-1.0"}
	typeCBOR   = []string{"application/cbor"}
	typeJSON11 = []string{"application/x-amz-json-1.1"}
	typeXML    = []string{"text/xml"}
	typeS3     = []string{"application/xml"}
	typeEC2    = []string{"text/xml;charset=UTF-8"}
)

func (x *exchange) contentType() []string {
	switch x.protocol {
	case awsJSON:
		if x.table.json == "1.0" {
			return typeJSON10
		}
		return typeJSON11
	case rpcCBOR:
		return typeCBOR
	case query:
		return typeXML
	case ec2Query:
		return typeEC2
	case restXML:
		return typeS3
	}
	return typeJSON
}

// answer encodes what a handler gave; a nil pointer is an output without members.
func (x *exchange) answer(out reflect.Value) {
	if out.IsNil() {
		out = reflect.New(x.entry.out)
	}
	v, s := out.Elem(), x.entry.outShape
	switch x.protocol {
	case query:
		x.write(http.StatusOK, x.answerQuery(s, v))
	case ec2Query:
		x.write(http.StatusOK, x.answerEC2(s, v))
	case awsJSON:
		var body []byte
		if x.entry.line.out != "-" {
			body = appendJSONStruct(nil, s, v)
		}
		x.write(http.StatusOK, body)
	case rpcCBOR:
		var body []byte
		if x.entry.line.out != "-" {
			body = appendCBOR(nil, s, v)
		}
		x.write(http.StatusOK, body)
	default:
		x.answerREST(s, v)
	}
}

// answerREST puts members into status, headers and body.
func (x *exchange) answerREST(s *shape, v reflect.Value) {
	status := x.head(s, v)
	switch {
	case s.payload != nil:
		x.write(status, payload(s.payload, v.Field(s.payload.field)))
	case s.body:
		x.write(status, appendJSONStruct(nil, s, v))
	default:
		x.write(status, nil)
	}
}

// head sets the headers of an answer and gives its status.
func (x *exchange) head(s *shape, v reflect.Value) int {
	status := x.entry.line.status
	for _, m := range s.members {
		f := v.Field(m.field)
		if m.at == "" || absent(f) {
			continue
		}
		if f.Kind() == reflect.Pointer {
			f = f.Elem()
		}
		switch m.at {
		case "statusCode":
			if n := int(f.Int()); n != 0 {
				status = n
			}
		case "header":
			x.w.Header().Set(m.out, headerText(m, f))
		}
	}
	return status
}

func payload(m *member, f reflect.Value) []byte {
	if absent(f) {
		return nil
	}
	switch m.shape.kind {
	case kindBlob:
		return f.Bytes()
	case kindString:
		return []byte(f.Elem().String())
	default:
		return appendJSON(nil, m.shape, f, "")
	}
}

func headerText(m *member, f reflect.Value) string {
	switch m.shape.kind {
	case kindTime:
		return string(appendTime(nil, f.Interface().(time.Time), firstOf(m.format, m.shape.format, formatHTTP)))
	case kindString:
		return f.String()
	}
	return scalarText(m.shape, f)
}

// answerQuery is <XResponse><XResult>...</XResult><ResponseMetadata>...
func (x *exchange) answerQuery(s *shape, v reflect.Value) []byte {
	w := &xmlWriter{protocol: query}
	name := x.entry.name + "Response"
	w.root(name, x.table.namespace)
	if wrapper := x.entry.line.wrapper; wrapper != "" {
		w.open(wrapper)
		w.members(s, v)
		w.close(wrapper)
	}
	w.open("ResponseMetadata")
	w.element("RequestId", x.call.RequestID)
	w.close("ResponseMetadata")
	w.close(name)
	return w.b
}

// answerEC2 is <XResponse><requestId>...; an operation without output says
// <return>true</return>.
func (x *exchange) answerEC2(s *shape, v reflect.Value) []byte {
	w := &xmlWriter{protocol: ec2Query, b: []byte(xmlHead)}
	name := x.entry.name + "Response"
	w.root(name, x.table.namespace)
	w.element("requestId", x.call.RequestID)
	if x.entry.line.out == "-" {
		w.element("return", "true")
	}
	w.members(s, v)
	w.close(name)
	return w.b
}

const xmlHead = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// write sends an answer. A status that forbids a body gets none.
func (x *exchange) write(status int, body []byte) {
	h := x.w.Header()
	if x.protocol == rpcCBOR {
		h[headerSmithy] = []string{"rpc-v2-cbor"}
	}
	if status != http.StatusNoContent && status != http.StatusNotModified {
		if x.protocol != rpcCBOR || len(body) > 0 { // rpc-v2-cbor: no body, no type
			h["Content-Type"] = x.contentType()
		}
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	} else {
		body = nil
	}
	x.w.WriteHeader(status)
	if len(body) > smallBody {
		defer x.hurryReader(len(body))()
	}
	if len(body) > 0 {
		// A client that went away is nobody's fault and nobody's to tell.
		_, _ = x.w.Write(body)
	}
}

// hurryReader bounds how long a client may take for a large answer. What it
// returns ends that; small answers fit into the kernel's buffers.
func (x *exchange) hurryReader(bytes int) (end func()) {
	conn := http.NewResponseController(x.w)
	_ = conn.SetWriteDeadline(x.mux.pace.deadline(time.Now(), int64(bytes)))
	return func() {
		_ = conn.Flush()
		_ = conn.SetWriteDeadline(time.Time{})
	}
}
