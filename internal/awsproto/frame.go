package awsproto

import (
	"encoding/binary"
	"hash/crc32"
	"reflect"
)

// typeEvents is the content type of event streams.
var typeEvents = []string{"application/vnd.amazon.eventstream"}

// A frame of the application/vnd.amazon.eventstream framing is
//
//	total length, length of headers, CRC-32 of these two   4 bytes each, big endian
//	headers: length and name, type, length and value
//	payload
//	CRC-32 of all before                                   4 bytes
//
// Only strings are needed as header values.
const (
	framePrelude    = 12
	frameTail       = 4
	frameTypeString = 7
)

// beginFrame leaves room for the prelude. A frame begins where its memory does.
func beginFrame(b []byte) []byte { return append(b, make([]byte, framePrelude)...) }

func appendFrameHeader(b []byte, name, value string) []byte {
	b = append(append(b, byte(len(name))), name...)
	b = append(b, frameTypeString)
	value = value[:min(len(value), 1<<15-1)]
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}

// headersDone notes the headers' length; the payload follows.
func headersDone(b []byte) []byte {
	binary.BigEndian.PutUint32(b[4:], uint32(len(b)-framePrelude))
	return b
}

// endFrame fills in what is only known at the end.
func endFrame(b []byte) []byte {
	binary.BigEndian.PutUint32(b, uint32(len(b)+frameTail))
	binary.BigEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[:8]))
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// appendEvent makes the frame of the event m of a union. The member marked as
// the event's payload is the payload as it is; else all members are it, as JSON.
func appendEvent(b []byte, m *member, v reflect.Value) []byte {
	contentType, part := typeJSON[0], (*member)(nil)
	for _, one := range m.shape.members {
		if one.eventPayload {
			part = one
		}
	}
	if part != nil && part.shape.kind == kindBlob {
		contentType = "application/octet-stream"
	}
	b = beginFrame(b)
	b = appendFrameHeader(b, ":message-type", "event")
	b = appendFrameHeader(b, ":event-type", m.name)
	b = headersDone(appendFrameHeader(b, ":content-type", contentType))
	switch {
	case part == nil:
		b = appendJSONStruct(b, m.shape, v)
	case part.shape.kind == kindBlob:
		b = append(b, v.Field(part.field).Bytes()...)
	default:
		b = appendJSON(b, part.shape, v.Field(part.field), "")
	}
	return endFrame(b)
}
