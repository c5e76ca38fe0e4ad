package discovery

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/munnerz/goautoneg"
)

// document is an OpenAPI document, kept compressed: it shrinks to a tenth, and
// most clients take it so.
type document struct {
	json  []byte
	proto func() ([]byte, error)
	made  time.Time
}

// newDocument keeps data, which is JSON. toProto makes the other form when
// somebody asks for it.
func newDocument(data []byte, toProto func(json []byte) ([]byte, error)) (*document, error) {
	packed, err := pack(data)
	if err != nil {
		return nil, err
	}
	d := &document{json: packed, made: time.Now()}
	d.proto = sync.OnceValues(func() ([]byte, error) {
		plain, err := unpack(d.json)
		if err != nil {
			return nil, err
		}
		proto, err := toProto(plain)
		if err != nil {
			return nil, fmt.Errorf("convert to protobuf: %w", err)
		}
		return pack(proto)
	})
	return d, nil
}

// serve answers in JSON or, under whichever of the given names the client
// knows it, in protobuf.
func (d *document) serve(w http.ResponseWriter, req *http.Request, etag string, protobufs ...string) {
	contentType, ok := acceptable(req, protobufs)
	if !ok {
		w.WriteHeader(http.StatusNotAcceptable)
		return
	}
	data, err := d.json, error(nil)
	if contentType != "application/json" {
		data, err = d.proto()
	}
	packed := strings.Contains(req.Header.Get("Accept-Encoding"), "gzip")
	if err == nil && !packed {
		data, err = unpack(data)
	}
	if err != nil {
		http.Error(w, fmt.Sprintf("encode OpenAPI document: %v", err), http.StatusInternalServerError)
		return
	}
	if packed {
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Set("Vary", "Accept, Accept-Encoding")
	w.Header().Set("Etag", strconv.Quote(etag))
	w.Header().Set("Content-Type", contentType)
	http.ServeContent(w, req, "", d.made, bytes.NewReader(data))
}

// acceptable returns the content type to answer in: that of the first clause
// of the client's that is JSON or one of protobufs.
func acceptable(req *http.Request, protobufs []string) (string, bool) {
	accept := req.Header.Get("Accept")
	if accept == "" {
		return "application/json", true
	}
	for _, clause := range goautoneg.ParseAccept(accept) {
		if clause.Type != "application" && clause.Type != "*" {
			continue
		}
		if clause.SubType == "json" || clause.SubType == "*" {
			return "application/json", true
		}
		if slices.Contains(protobufs, clause.SubType) {
			return "application/" + protobufs[0], true
		}
	}
	return "", false
}

func pack(data []byte) ([]byte, error) {
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	if _, err := writer.Write(data); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if err := writer.Close(); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return bytes.Clone(packed.Bytes()), nil // without spare capacity
}

func unpack(packed []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	data, err := io.ReadAll(reader)
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return data, nil
}
