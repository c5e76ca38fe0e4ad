package conversions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "sigs.k8s.io/json"

	"github.com/atriumhub/atrium/pkg/egress"
	"github.com/atriumhub/atrium/pkg/nesting"
)

const (
	// maxAnswer is what an answer may be besides twice the request: as much as
	// the hub takes from anybody in one request.
	maxAnswer = 3 << 20
	// maxExcuse is what is read of an answer that says what went wrong.
	maxExcuse = 1 << 10
	// reviewDepth is how deep a review is around the objects in it.
	reviewDepth = 3
)

// outside calls a webhook and passes on what can be trusted of its answer.
type outside struct {
	next   http.RoundTripper
	config Config
}

// WrappedRoundTripper lets client-go find the connections below.
func (t outside) WrappedRoundTripper() http.RoundTripper { return t.next }

// RoundTrip implements http.RoundTripper.
func (t outside) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, done := context.WithTimeout(req.Context(), t.config.Timeout)
	defer done()
	answer, err := t.call(req.WithContext(ctx))
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("it did not answer within %s", t.config.Timeout)
	}
	if err != nil {
		return nil, err
	}
	return answered(req, answer), nil
}

// call returns the answer to req.
func (t outside) call(req *http.Request) ([]byte, error) {
	review, err := sent(req)
	if err != nil {
		return nil, err
	}
	response, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, excuse(response)
	}
	body, err := read(response.Body, maxAnswer+2*req.ContentLength)
	if err != nil {
		return nil, err
	}
	return t.judged(review, body)
}

// sent returns the review in the body of req, which is left unread.
func sent(req *http.Request) (*apiextensionsv1.ConversionReview, error) {
	if req.GetBody == nil {
		return nil, errors.New("the review cannot be read twice")
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, fmt.Errorf("read the review: %w", err)
	}
	defer body.Close()
	review := &apiextensionsv1.ConversionReview{}
	if err := json.NewDecoder(body).Decode(review); err != nil {
		return nil, fmt.Errorf("read the review: %w", err)
	}
	if review.Request == nil {
		return nil, errors.New("the review has no request")
	}
	return review, nil
}

// excuse is the error of an answer that is no success. Such answers end here: a
// header in one could make the client wait and ask again (V2), or go elsewhere (V1).
func excuse(response *http.Response) error {
	if location := response.Header.Get("Location"); location != "" && response.StatusCode < 400 {
		return fmt.Errorf("it answered %q with a redirect, and redirects are not followed: give the URL that it leads to", response.Status)
	}
	said, _ := io.ReadAll(io.LimitReader(response.Body, maxExcuse))
	return fmt.Errorf("it answered %q: %q", response.Status, said)
}

// read reads at most limit bytes (V3).
func read(body io.Reader, limit int64) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = fmt.Errorf("%w: more than %d bytes", egress.ErrTooLarge, limit)
	}
	return content, err
}

// judged returns the answer to review that body is, written anew: what follows
// reads exactly what was judged here.
func (t outside) judged(review *apiextensionsv1.ConversionReview, body []byte) ([]byte, error) {
	if depth := nesting.OfJSON(body); depth > nesting.Max+reviewDepth {
		return nil, fmt.Errorf("its answer is nested deeper than the %d levels that objects may have", nesting.Max)
	}
	answer := &apiextensionsv1.ConversionReview{}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(body, answer); err != nil {
		return nil, fmt.Errorf("its answer is no ConversionReview: %w", err)
	}
	answer.Request = nil
	if answer.Response == nil {
		return json.Marshal(answer)
	}
	for i := range answer.Response.ConvertedObjects {
		object, err := t.object(review.Request.Objects, i, answer.Response.ConvertedObjects[i].Raw)
		if err != nil {
			return nil, fmt.Errorf("converted object %d: %w", i, err)
		}
		answer.Response.ConvertedObjects[i] = runtime.RawExtension{Object: object}
	}
	return json.Marshal(answer)
}

// object reads an object that was converted, and refuses it if it is not one or
// if it differs from the original in what is reserved (V4).
func (t outside) object(originals []runtime.RawExtension, i int, raw []byte) (*unstructured.Unstructured, error) {
	converted := &unstructured.Unstructured{}
	if err := converted.UnmarshalJSON(raw); err != nil {
		return nil, err
	}
	if i >= len(originals) {
		return converted, nil // upstream says that there are too many
	}
	original := &unstructured.Unstructured{}
	if err := original.UnmarshalJSON(originals[i].Raw); err != nil {
		return nil, fmt.Errorf("read the original: %w", err)
	}
	for what, differ := range map[string]string{
		"label":      t.differ(original.GetLabels(), converted.GetLabels()),
		"annotation": t.differ(original.GetAnnotations(), converted.GetAnnotations()),
	} {
		if differ != "" {
			return nil, fmt.Errorf("the webhook changed the %s %q, which only the hub writes", what, differ)
		}
	}
	return converted, nil
}

// differ returns a reserved key that is not the same in both.
func (t outside) differ(original, converted map[string]string) string {
	for _, pair := range [][2]map[string]string{{original, converted}, {converted, original}} {
		for key, value := range pair[0] {
			if other, ok := pair[1][key]; t.config.Reserved(key) && (!ok || other != value) {
				return key
			}
		}
	}
	return ""
}
