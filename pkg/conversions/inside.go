package conversions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/atriumhub/atrium/pkg/schemas"
)

// inside answers reviews by a function.
type inside struct{ convert schemas.Converter }

// RoundTrip implements http.RoundTripper.
func (t inside) RoundTrip(req *http.Request) (*http.Response, error) {
	defer req.Body.Close()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, fmt.Errorf("read the review: %w", err)
	}
	review := &apiextensionsv1.ConversionReview{}
	if err := json.Unmarshal(body, review); err != nil {
		return nil, fmt.Errorf("read the review: %w", err)
	}
	if review.Request == nil {
		return nil, errors.New("the review has no request")
	}
	review.Response = t.review(req.Context(), review.Request)
	review.Request = nil
	answer, err := json.Marshal(review)
	if err != nil {
		return nil, fmt.Errorf("write the review: %w", err)
	}
	return answered(req, answer), nil
}

func (t inside) review(ctx context.Context, request *apiextensionsv1.ConversionRequest) *apiextensionsv1.ConversionResponse {
	response := &apiextensionsv1.ConversionResponse{UID: request.UID, Result: metav1.Status{Status: metav1.StatusSuccess}}
	converted, err := t.converted(ctx, request)
	if err != nil {
		response.Result = metav1.Status{Status: metav1.StatusFailure, Message: err.Error()}
		return response
	}
	for _, object := range converted {
		response.ConvertedObjects = append(response.ConvertedObjects, runtime.RawExtension{Object: object})
	}
	return response
}

func (t inside) converted(ctx context.Context, request *apiextensionsv1.ConversionRequest) ([]*unstructured.Unstructured, error) {
	objects := make([]*unstructured.Unstructured, len(request.Objects))
	for i := range request.Objects {
		objects[i] = &unstructured.Unstructured{}
		if err := objects[i].UnmarshalJSON(request.Objects[i].Raw); err != nil {
			return nil, fmt.Errorf("object %d: %w", i, err)
		}
	}
	return t.convert(ctx, request.DesiredAPIVersion, objects)
}

// answered is an answer to req with the given JSON in it.
func answered(req *http.Request, body []byte) *http.Response {
	return &http.Response{
		Status: http.StatusText(http.StatusOK), StatusCode: http.StatusOK,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": []string{runtime.ContentTypeJSON}},
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
		Request:       req,
	}
}
