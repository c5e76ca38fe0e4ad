package remote

import (
	"context"
	"fmt"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// codecs know only what an API server says besides objects: Status.
var codecs = func() serializer.CodecFactory {
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	return serializer.NewCodecFactory(scheme)
}()

// Server is a connection to an API server.
type Server struct {
	rest rest.Interface
	host string
}

// Connect prepares a connection. Nothing is sent yet. The path of config.Host,
// if any, stays in front of every request.
func Connect(config *rest.Config) (*Server, error) {
	config = rest.CopyConfig(config)
	config.ContentConfig = rest.ContentConfig{
		AcceptContentTypes:   runtime.ContentTypeJSON,
		ContentType:          runtime.ContentTypeJSON,
		NegotiatedSerializer: codecs.WithoutConversion(),
	}
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("failed to prepare the connection to %s: %w", config.Host, err)
	}
	client, err := rest.UnversionedRESTClientForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("failed to prepare the client of %s: %w", config.Host, err)
	}
	return &Server{rest: client, host: config.Host}, nil
}

// Host is the address as configured.
func (s *Server) Host() string { return s.host }

// Get reads what is at a path that is no object: discovery, version.
func (s *Server) Get(ctx context.Context, path string) ([]byte, error) {
	return do(ctx, s.rest.Get().AbsPath(path))
}

// do sends a request. An error is what the server itself said, if it said
// anything.
func do(ctx context.Context, request *rest.Request) ([]byte, error) {
	result := request.Do(ctx)
	body, err := result.Raw()
	if err != nil {
		return nil, result.Error()
	}
	return body, nil
}

// patch sends a patch and returns the object as it is then.
func (s *Server) patch(ctx context.Context, kind types.PatchType, path string, body []byte, params map[string]string) ([]byte, error) {
	request := s.rest.Patch(kind).AbsPath(path).Body(body)
	for name, value := range params {
		request.Param(name, value)
	}
	return do(ctx, request)
}

// send sends a request with one of the other verbs.
func (s *Server) send(ctx context.Context, verb, path string, body []byte) ([]byte, error) {
	request := s.rest.Verb(verb).AbsPath(path)
	if body != nil {
		request.Body(body)
	}
	if verb == http.MethodDelete || verb == http.MethodPost {
		request.SetHeader("Content-Type", runtime.ContentTypeJSON)
	}
	return do(ctx, request)
}
