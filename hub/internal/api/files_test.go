package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/internal/memnet"
	"github.com/telltale-iot/telltale/schema"
)

type otherMethods = Devices

// shelf has one device and does with files what a test says.
type shelf struct {
	otherMethods
	export func(ctx context.Context, w io.Writer) error
	load   func(ctx context.Context, r io.Reader, progress func(schema.FileReport)) (schema.FileReport, error)
}

func (*shelf) Device(_ context.Context, id string) (schema.Device, bool, error) {
	return schema.Device{ID: id}, id == "pi", nil
}

func (s *shelf) Export(ctx context.Context, _ ExportQuery, w io.Writer) (readings, leftOut int64, err error) {
	return 7, 1, s.export(ctx, w)
}

func (s *shelf) Import(ctx context.Context, _ ImportQuery, r io.Reader, progress func(schema.FileReport)) (schema.FileReport, error) {
	return s.load(ctx, r, progress)
}

// serve runs the routes with the hub's time limits inside a bubble, where test finds a client and what answers.
func serve(t *testing.T, test func(*http.Client, *shelf)) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		h, err := New(Options{Devices: s, Files: s, Agent: http.NotFoundHandler(), Live: http.NotFoundHandler(), Metrics: http.NotFoundHandler()})
		if err != nil {
			t.Fatal(err)
		}
		l := memnet.Listen("localhost:80", 0)
		web := &http.Server{Handler: h, ReadTimeout: answerWithin, WriteTimeout: answerWithin}
		ended := make(chan error, 1)
		go func() { ended <- web.Serve(l) }()
		client := &http.Client{Transport: &http.Transport{DialContext: l.Dial, DisableKeepAlives: true, ExpectContinueTimeout: time.Minute}}
		test(client, s)
		if err := web.Close(); err != nil {
			t.Error(err)
		}
		<-ended
		synctest.Wait()
	})
}

const exportURL = "http://localhost/api/v1/devices/pi/export"

func TestALongExportOutlivesTheServersTimeLimits(t *testing.T) {
	const pieces, size = 40, 50_000
	serve(t, func(c *http.Client, s *shelf) {
		s.export = func(ctx context.Context, w io.Writer) error {
			for range pieces {
				time.Sleep(20 * time.Second)
				if _, err := w.Write(make([]byte, size)); err != nil || ctx.Err() != nil {
					return errors.Join(err, ctx.Err())
				}
			}
			return nil
		}

		resp, err := c.Get(exportURL)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || len(b) != pieces*size || resp.Trailer.Get(trailerReadings) != "7" || resp.Trailer.Get(trailerLeftOut) != "1" {
			t.Errorf("%d bytes, %v, %v", len(b), resp.Trailer, err)
		}
		if got := resp.Header.Get("Content-Disposition"); got != `attachment; filename="telltale-pi-20000101.csv"` {
			t.Error(got)
		}
	})
}

func TestAClientThatDoesNotReadEndsItsExport(t *testing.T) {
	serve(t, func(c *http.Client, s *shelf) {
		ended := make(chan error, 1)
		s.export = func(_ context.Context, w io.Writer) error {
			for {
				if _, err := w.Write(make([]byte, 32<<10)); err != nil {
					ended <- err
					return err
				}
			}
		}

		began := time.Now()
		resp, err := c.Get(exportURL)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := <-ended; err == nil || time.Since(began) > answerWithin+time.Second {
			t.Errorf("ended after %s: %v", time.Since(began), err)
		}
	})
}

func TestAClientThatGoesEndsItsExport(t *testing.T) {
	serve(t, func(c *http.Client, s *shelf) {
		ended := make(chan error, 1)
		s.export = func(ctx context.Context, _ io.Writer) error {
			<-ctx.Done()
			ended <- ctx.Err()
			return ctx.Err()
		}

		ctx, cancel := context.WithCancel(context.Background())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, exportURL, nil)
		if err != nil {
			t.Fatal(err)
		}
		gone := make(chan error, 1)
		go func() {
			resp, err := c.Do(req)
			if err == nil {
				_ = resp.Body.Close()
			}
			gone <- err
		}()
		synctest.Wait()
		cancel()
		<-gone
		<-ended
	})
}

func TestWhatBreaksIsSaidBeforeTheFirstByteAndBreaksTheFileAfterIt(t *testing.T) {
	for _, size := range []int{100, 10 * fileBuffer} {
		serve(t, func(c *http.Client, s *shelf) {
			s.export = func(_ context.Context, w io.Writer) error {
				for range size / 100 {
					if _, err := w.Write(make([]byte, 100)); err != nil {
						return err
					}
				}
				return schema.Problemf(schema.CodeUnavailable, "the disk is gone")
			}

			resp, err := c.Get(exportURL)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if small := size < fileBuffer; small && (resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(b), "the disk is gone") || resp.Header.Get("Content-Disposition") != "") {
				t.Errorf("%s %s", resp.Status, b)
			} else if !small && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("the client takes %d bytes for the whole file: %v", len(b), err)
			}
		})
	}
}

func TestFilesWaitForNobody(t *testing.T) {
	serve(t, func(c *http.Client, s *shelf) {
		release := make(chan struct{})
		s.export = func(context.Context, io.Writer) error { <-release; return nil }

		done := make(chan int, maxFiles)
		for range maxFiles {
			go func() {
				resp, err := c.Get(exportURL)
				if err != nil {
					t.Error(err)
					done <- 0
					return
				}
				_ = resp.Body.Close()
				done <- resp.StatusCode
			}()
		}
		synctest.Wait()
		resp, err := c.Get(exportURL)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusTooManyRequests {
			t.Errorf("one more: %s", resp.Status)
		}
		close(release)
		for range maxFiles {
			if code := <-done; code != http.StatusOK {
				t.Errorf("%d", code)
			}
		}
	})
}

// slowly gives a body in pieces, with long pauses.
type slowly struct{ left int }

func (s *slowly) Read(b []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	s.left--
	pauseInBubble()
	return copy(b, "0123456789"), nil
}

func TestALongImportOutlivesTheTimeLimitsAndSaysHowFarItIs(t *testing.T) {
	const pieces = 10
	serve(t, func(c *http.Client, s *shelf) {
		s.load = func(ctx context.Context, r io.Reader, progress func(schema.FileReport)) (schema.FileReport, error) {
			progress(schema.FileReport{State: "reading"})
			b, err := io.ReadAll(r)
			_, _ = r.Read(make([]byte, 1)) // as some decoders do
			for i := range int64(5) {
				time.Sleep(20 * time.Second)
				progress(schema.FileReport{State: "storing", Stored: i})
			}
			return schema.FileReport{State: "done", Stored: int64(len(b))}, errors.Join(err, ctx.Err())
		}

		for _, accept := range []string{"", "application/x-ndjson"} {
			req, err := http.NewRequest(http.MethodPost, "http://localhost/api/v1/devices/pi/import", &slowly{pieces})
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept", accept)
			resp, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(resp.Body)
			var last schema.FileReport
			n := 0
			for ; lines.Scan(); n++ {
				if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
					t.Fatal(err)
				}
			}
			_ = resp.Body.Close()
			if last.State != "done" || last.Stored != 10*pieces || accept != "" != (n == 6) {
				t.Errorf("%q: %d lines, %+v", accept, n, last)
			}
		}
	})
}

func TestImportsAreBoundedAndSameOrigin(t *testing.T) {
	serve(t, func(c *http.Client, s *shelf) {
		s.load = func(_ context.Context, r io.Reader, _ func(schema.FileReport)) (schema.FileReport, error) {
			_, err := io.Copy(io.Discard, r)
			return schema.FileReport{}, err
		}

		for _, u := range []struct {
			path, origin, says string
			size               int64
			status             int
		}{
			{"devices/pi/import", "", "", 2 * maxBody, 200},
			{"devices/pi/import", "", "1024 MB", maxFile + 1, 413},
			{"devices/pi/import", "https://evil.example", "another origin", 10, 403},
			{"devices/no/import", "", "there is no device", 10, 404},
			{"devices/no/import?name=New", "", "", 10, 200},
			{"devices/No/import?name=New", "", "id is", 10, 400},
			{"devices/pi/import?name=New", "", "already", 10, 409},
			{"devices/pi/import?format=parquet", "", "cannot be imported", 10, 400},
			{"devices/pi/import?zone=Mars/North", "", "no time zone", 10, 400},
		} {
			req, err := http.NewRequest(http.MethodPost, "http://localhost/api/v1/"+u.path, io.LimitReader(zeros{}, u.size))
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = u.size
			req.Header.Set("Expect", "100-continue")
			if u.origin != "" {
				req.Header.Set("Origin", u.origin)
			}
			resp, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || resp.StatusCode != u.status || !strings.Contains(string(b), u.says) {
				t.Errorf("%s: %s %s %v", u.path, resp.Status, b, err)
			}
		}
	})
}

func pauseInBubble() { time.Sleep(20 * time.Second) }

// zeros never ends.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
