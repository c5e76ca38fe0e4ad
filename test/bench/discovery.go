package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// changesEach is how often each change is made.
	changesEach = 10
	// glance is between two looks at a description, lookLimit how long to look.
	glance, lookLimit = 2 * time.Millisecond, time.Minute
)

// form is one in which APIs are described.
type form int

const (
	legacy form = iota
	aggregated
	openAPIV2
	openAPIV3
	forms
)

// String is for errors.
func (f form) String() string {
	return [...]string{"legacy", "aggregated", "OpenAPI v2", "OpenAPI v3"}[f]
}

// delays are how long each form took to show a change.
type delays [forms]durations

// String is p50 / p99, each of all forms in order.
func (d *delays) String() string {
	var p50, p99 []string
	for f := range forms {
		p50 = append(p50, fmt.Sprint(d[f].p50().Milliseconds()))
		p99 = append(p99, fmt.Sprint(d[f].p99().Milliseconds()))
	}
	return strings.Join(p50, ", ") + " / " + strings.Join(p99, ", ") + " ms"
}

// p99 is that of the slowest form.
func (d *delays) p99() time.Duration {
	var worst time.Duration
	for f := range forms {
		worst = max(worst, d[f].p99())
	}
	return worst
}

// change is a write after which the descriptions of a place differ.
type change struct {
	what string
	// address is that of the workspace, or view.
	address string
	// marker is a text that descriptions contain afterwards; or do not, if it goes.
	marker string
	goes   bool
	// path is where legacy discovery has it, version what OpenAPI v3 calls it.
	path, version string
	write         func(context.Context) error
}

// measureDiscovery takes the time until a change of the APIs of a workspace is
// described, in a hub without others and in the shared one.
func measureDiscovery(ctx context.Context, l *lab) error {
	crowded, err := l.filled(ctx)
	if err != nil {
		return err
	}
	l.say.printf("starting a hub without other workspaces")
	empty, err := l.startHub(ctx, "alone")
	if err != nil {
		return err
	}
	defer empty.Kill()
	order, alone, err := l.observe(ctx, empty)
	if err != nil {
		return err
	}
	_, among, err := l.observe(ctx, crowded)
	if err != nil {
		return err
	}
	for _, what := range order {
		l.table.add(row{
			what: what + ", until described, p50 / p99", budget: "1 s, p99",
			measured: fmt.Sprintf("%s; with %d others %s", alone[what], l.workspaces, among[what]),
			verdict:  atMost(max(alone[what].p99(), among[what].p99()).Seconds(), budgetDescribed.Seconds(), ""),
		})
	}
	return nil
}

// observe makes each change some times. It returns what was changed, in order, and
// how long that took to be described.
func (l *lab) observe(ctx context.Context, h *hub) ([]string, map[string]*delays, error) {
	changing, err := l.newChanging(ctx, h)
	if err != nil {
		return nil, nil, err
	}
	var order []string
	took := map[string]*delays{}
	for i := range changesEach {
		l.say.printf("changing what is served, %d of %d", i+1, changesEach)
		for _, c := range changing.changes(i) {
			if took[c.what] == nil {
				took[c.what] = &delays{}
				order = append(order, c.what)
			}
			if err := c.await(ctx, h.admin.HTTPClient(), took[c.what]); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", c.what, err)
			}
		}
	}
	return order, took, nil
}

// await makes the change and looks at all forms at once until they show it.
func (c *change) await(ctx context.Context, hub *http.Client, took *delays) error {
	var readers [forms]*reader
	for f := range forms {
		readers[f] = &reader{hub: hub, change: c, form: f}
		if shown, err := readers[f].shows(ctx); err != nil || shown {
			return fmt.Errorf("%s discovery shows it before it was made (%v)", f, err)
		}
	}
	if err := c.write(ctx); err != nil {
		return err
	}
	written := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, lookLimit, fmt.Errorf("not described within %s", lookLimit))
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for f := range forms {
		group.Go(func() error {
			for {
				shown, err := readers[f].shows(ctx)
				if err != nil {
					return fmt.Errorf("%s discovery: %w", f, err)
				}
				if shown {
					took[f] = append(took[f], time.Since(written))
					return nil
				}
				if err := pause(ctx, glance); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// reader looks at one form again and again, as a client does that has a cache.
type reader struct {
	hub    *http.Client
	change *change
	form   form
	etag   string
}

// acceptAggregated asks for aggregated discovery.
const acceptAggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

// shows reports whether the change has been made, as far as this form tells.
func (r *reader) shows(ctx context.Context) (bool, error) {
	path, accept := r.change.path, "application/json"
	switch r.form {
	case aggregated:
		path, accept = "/"+strings.Split(path, "/")[1], acceptAggregated
	case openAPIV2:
		path = "/openapi/v2"
	case openAPIV3:
		path = "/openapi/v3"
	}
	text, fresh, err := r.read(ctx, path, accept)
	if err != nil || !fresh {
		return false, err
	}
	if r.form == openAPIV3 && len(text) > 0 {
		if text, err = r.follow(ctx, text); err != nil {
			return false, err
		}
	}
	return bytes.Contains(text, []byte(r.change.marker)) != r.change.goes, nil
}

// follow reads the document that an index of OpenAPI v3 names; none is nothing.
func (r *reader) follow(ctx context.Context, text []byte) ([]byte, error) {
	var index struct {
		Paths map[string]struct {
			ServerRelativeURL string `json:"serverRelativeURL"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, fmt.Errorf("failed to decode the index: %w", err)
	}
	document, ok := index.Paths[r.change.version]
	if !ok {
		return nil, nil
	}
	inside := reader{hub: r.hub, change: r.change, form: r.form}
	text, _, err := inside.read(ctx, document.ServerRelativeURL, "application/json")
	return text, err
}

// read reads, unless what is there was read before: then it is not fresh. What is
// not there is empty.
func (r *reader) read(ctx context.Context, path, accept string) (text []byte, fresh bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.change.address+path, nil)
	if err != nil {
		return nil, false, err
	}
	request.Header.Set("Accept", accept)
	if r.etag != "" {
		request.Header.Set("If-None-Match", r.etag)
	}
	answer, err := r.hub.Do(request)
	if err != nil {
		return nil, false, err
	}
	defer answer.Body.Close()
	if text, err = io.ReadAll(answer.Body); err != nil {
		return nil, false, err
	}
	switch {
	case answer.StatusCode == http.StatusNotModified:
		return nil, false, nil
	case answer.StatusCode == http.StatusNotFound, answer.StatusCode == http.StatusForbidden:
		return nil, true, nil // a view that is not there yet is forbidden
	case answer.StatusCode != http.StatusOK:
		return nil, false, fmt.Errorf("%s answered %s", path, answer.Status)
	}
	r.etag = answer.Header.Get("Etag")
	return text, true, nil
}
