package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"

	"k8s.io/client-go/rest"
)

// inProcess is a transport that calls the hub's handler chain directly: no
// socket, no TLS, but the same authentication, authorization, admission and
// encoding as for everybody else. Streaming responses (watches) are piped.
type inProcess struct {
	mu      sync.RWMutex
	handler http.Handler
}

// serve sets the handler that requests go to from now on.
func (t *inProcess) serve(handler http.Handler) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.handler = handler
}

// config returns a client configuration that uses t with the privileges of
// loopback, the hub's own identity (system:masters).
func (t *inProcess) config(loopback *rest.Config) *rest.Config {
	return &rest.Config{
		Host:        "http://in-process",
		BearerToken: loopback.BearerToken,
		Transport:   t,
		UserAgent:   "atrium",
		QPS:         -1,
	}
}

// RoundTrip runs the handler in a goroutine of its own and returns when it
// wrote a header. The body ends when the handler returns, or early when the
// request's context ends.
func (t *inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	t.mu.RLock()
	handler := t.handler
	t.mu.RUnlock()
	if handler == nil {
		return nil, fmt.Errorf("the hub does not serve yet")
	}
	ctx, cancel := context.WithCancel(req.Context())
	served := req.Clone(ctx)
	served.RequestURI = req.URL.RequestURI()
	served.RemoteAddr = "127.0.0.1:0"
	served.Host = req.URL.Host
	served.Proto, served.ProtoMajor, served.ProtoMinor = "HTTP/2.0", 2, 0
	if served.Body == nil {
		served.Body = http.NoBody
	}
	w := newPipeWriter(ctx, cancel, req)
	go w.run(handler, served)
	select {
	case <-w.headed:
		return w.response, nil
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// pipeWriter is an http.ResponseWriter whose other end is an http.Response. It
// keeps small answers in one buffer and hands over what has been flushed.
type pipeWriter struct {
	ctx      context.Context
	cancel   context.CancelFunc
	request  *http.Request
	header   http.Header
	headed   chan struct{}
	once     sync.Once
	response *http.Response

	mu       sync.Mutex
	ready    sync.Cond
	buffered bytes.Buffer
	done     bool
	err      error
}

func newPipeWriter(ctx context.Context, cancel context.CancelFunc, req *http.Request) *pipeWriter {
	w := &pipeWriter{ctx: ctx, cancel: cancel, request: req, header: http.Header{}, headed: make(chan struct{})}
	w.ready.L = &w.mu
	return w
}

func (w *pipeWriter) run(handler http.Handler, req *http.Request) {
	defer w.cancel()
	stop := context.AfterFunc(w.ctx, func() { w.finish(w.ctx.Err()) })
	defer stop()
	defer func() {
		if reason := recover(); reason != nil && reason != http.ErrAbortHandler {
			w.finish(fmt.Errorf("handler panicked: %v", reason))
			return
		}
		w.finish(nil)
	}()
	handler.ServeHTTP(w, req)
}

// Header returns the header map that WriteHeader sends.
func (w *pipeWriter) Header() http.Header { return w.header }

// WriteHeader makes the response available to the client.
func (w *pipeWriter) WriteHeader(code int) {
	w.once.Do(func() {
		w.response = &http.Response{
			Status:     http.StatusText(code),
			StatusCode: code,
			Proto:      "HTTP/2.0", ProtoMajor: 2,
			Header:        w.header.Clone(),
			Body:          (*pipeReader)(w),
			ContentLength: -1,
			Request:       w.request,
		}
		close(w.headed)
	})
}

// Write appends to what the client reads.
func (w *pipeWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		return 0, io.ErrClosedPipe
	}
	w.buffered.Write(p)
	w.ready.Broadcast()
	return len(p), nil
}

// Flush sends the header; data needs no flushing.
func (w *pipeWriter) Flush() { w.WriteHeader(http.StatusOK) }

// CloseNotify is asked for by filters that predate contexts.
func (w *pipeWriter) CloseNotify() <-chan bool {
	closed := make(chan bool, 1)
	go func() {
		<-w.ctx.Done()
		closed <- true
	}()
	return closed
}

func (w *pipeWriter) finish(err error) {
	w.WriteHeader(http.StatusOK)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		return
	}
	w.done, w.err = true, err
	w.ready.Broadcast()
}

// pipeReader is the client's end.
type pipeReader pipeWriter

// Read waits for data, the end of the handler, or Close.
func (r *pipeReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.buffered.Len() == 0 && !r.done {
		r.ready.Wait()
	}
	if r.buffered.Len() > 0 {
		return r.buffered.Read(p)
	}
	if r.err != nil {
		return 0, r.err
	}
	return 0, io.EOF
}

// Close ends the request's context, as closing a connection would, and lets a
// handler that still writes fail.
func (r *pipeReader) Close() error {
	(*pipeWriter)(r).finish(nil)
	r.cancel()
	return nil
}
