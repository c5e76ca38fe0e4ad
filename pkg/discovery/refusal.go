package discovery

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/endpoints/responsewriter"
)

// aggregatedForm is in the Accept header of clients that ask for all groups at
// once, as kubectl does.
const aggregatedForm = "as=APIGroupDiscoveryList"

// WithPlainRefusals says in plain text why discovery is forbidden. client-go does
// not look into a Status there: all that kubectl prints of one is "unknown", and
// discovery is the first that it asks of a workspace.
func WithPlainRefusals(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !Handles(req.URL.Path) || !strings.Contains(req.Header.Get("Accept"), aggregatedForm) {
			next.ServeHTTP(w, req)
			return
		}
		held := &refusalWriter{ResponseWriter: w}
		next.ServeHTTP(responsewriter.WrapForHTTP1Or2(held), req)
		held.finish()
	})
}

// refusalWriter keeps a refusal until all of it is there, and passes on anything
// else.
type refusalWriter struct {
	http.ResponseWriter
	refused bool
	body    []byte
}

var _ responsewriter.UserProvidedDecorator = &refusalWriter{}

// Unwrap implements responsewriter.UserProvidedDecorator.
func (r *refusalWriter) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (r *refusalWriter) WriteHeader(code int) {
	if code == http.StatusForbidden {
		r.refused = true
		return
	}
	r.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (r *refusalWriter) Write(p []byte) (int, error) {
	if !r.refused {
		return r.ResponseWriter.Write(p)
	}
	r.body = append(r.body, p...)
	return len(p), nil
}

func (r *refusalWriter) finish() {
	if !r.refused {
		return
	}
	text := string(r.body)
	var status metav1.Status
	if err := json.Unmarshal(r.body, &status); err == nil && status.Message != "" {
		text = status.Message + "\n"
		r.Header().Set("Content-Type", "text/plain; charset=utf-8")
		r.Header().Del("Content-Length")
	}
	r.ResponseWriter.WriteHeader(http.StatusForbidden)
	_, _ = io.WriteString(r.ResponseWriter, text) // who has gone away needs no reason
}
