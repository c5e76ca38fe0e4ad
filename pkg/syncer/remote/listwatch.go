package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// pageSize bounds how much of a list is in memory in its bulky form.
const pageSize = 500

// listerWatcher lets a Reflector follow a Collection.
type listerWatcher struct{ collection Collection }

var _ cache.ListerWatcherWithContext = &listerWatcher{}

// IsWatchListSemanticsUnSupported keeps the Reflector from collecting the
// objects in a store of its own, which knows no workspaces.
func (l *listerWatcher) IsWatchListSemanticsUnSupported() bool { return true }

// List is what the older interface asks for.
func (l *listerWatcher) List(options metav1.ListOptions) (runtime.Object, error) {
	return l.ListWithContext(context.Background(), options)
}

// Watch is what the older interface asks for.
func (l *listerWatcher) Watch(options metav1.ListOptions) (watch.Interface, error) {
	return l.WatchWithContext(context.Background(), options)
}

// ListWithContext reads all pages, the newest state of each object.
func (l *listerWatcher) ListWithContext(ctx context.Context, _ metav1.ListOptions) (runtime.Object, error) {
	all := &itemList{Items: []*item{}}
	options := metav1.ListOptions{Limit: pageSize}
	for {
		page, err := l.page(ctx, options)
		if err != nil {
			return nil, err
		}
		if err := all.add(page); err != nil {
			return nil, err
		}
		if page.Metadata.Continue == "" {
			return all, nil
		}
		options.Continue = page.Metadata.Continue
	}
}

// listPage is the JSON form of a list.
type listPage struct {
	Metadata metav1.ListMeta   `json:"metadata"`
	Items    []json.RawMessage `json:"items"`
}

func (l *listerWatcher) page(ctx context.Context, options metav1.ListOptions) (*listPage, error) {
	body, err := do(ctx, l.collection.list(options))
	if err != nil {
		return nil, err
	}
	page := &listPage{}
	if err := json.Unmarshal(body, page); err != nil {
		return nil, fmt.Errorf("failed to decode a list of %s: %w", l.collection.Resource.Resource, err)
	}
	return page, nil
}

// add appends a page. All pages of one list are of the same resource version.
func (l *itemList) add(page *listPage) error {
	l.ResourceVersion = page.Metadata.ResourceVersion
	for _, raw := range page.Items {
		i, err := newItem(raw)
		if err != nil {
			return err
		}
		l.Items = append(l.Items, i)
	}
	return nil
}

// WatchWithContext starts a watch.
func (l *listerWatcher) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	options.Watch = true
	ctx, cancel := context.WithCancel(ctx)
	body, err := l.collection.list(options).Stream(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	reporter := apierrors.NewClientErrorReporter(http.StatusInternalServerError, http.MethodGet, "ClientWatchDecoding")
	return watch.NewStreamWatcher(&eventDecoder{body: body, cancel: cancel, json: json.NewDecoder(body)}, reporter), nil
}

// list prepares a list or watch request.
func (c Collection) list(options metav1.ListOptions) *rest.Request {
	options.LabelSelector = c.LabelSelector
	return c.Server.rest.Get().AbsPath(c.path("", "", "")).VersionedParams(&options, metav1.ParameterCodec)
}

// eventDecoder reads watch events from a stream.
type eventDecoder struct {
	body   io.ReadCloser
	cancel context.CancelFunc
	json   *json.Decoder
}

// Decode blocks until there is an event.
func (d *eventDecoder) Decode() (watch.EventType, runtime.Object, error) {
	var event struct {
		Type   watch.EventType `json:"type"`
		Object json.RawMessage `json:"object"`
	}
	if err := d.json.Decode(&event); err != nil {
		return "", nil, endOfStream(err)
	}
	if event.Type == watch.Error {
		status := &metav1.Status{}
		if err := json.Unmarshal(event.Object, status); err != nil {
			return "", nil, fmt.Errorf("failed to decode an error event: %w", err)
		}
		return event.Type, status, nil
	}
	i, err := newItem(event.Object)
	return event.Type, i, err
}

// endOfStream makes a broken connection the ordinary end of a watch, which it is
// for all that matters: the next watch goes on where this one stopped.
func endOfStream(err error) error {
	var syntax *json.SyntaxError
	var unexpected *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &unexpected) {
		return fmt.Errorf("failed to decode a watch event: %w", err)
	}
	return io.EOF
}

// Close ends the stream.
func (d *eventDecoder) Close() {
	d.cancel()
	d.body.Close()
}
