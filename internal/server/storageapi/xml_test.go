package storageapi_test

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// element gives the text of the first element of a name, in any namespace.
func element(t testing.TB, body, name string) string {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(body)); ; {
		token, err := d.Token()
		if err != nil {
			t.Fatalf("no %s in %s", name, body)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == name {
			var text string
			if err := d.DecodeElement(&text, &e); err != nil {
				t.Fatal(err)
			}
			return text
		}
	}
}

// elements gives all of them.
func elements(t testing.TB, body, name string) (all []string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(body)); ; {
		token, err := d.Token()
		if err != nil {
			return all
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == name {
			var text string
			if err := d.DecodeElement(&text, &e); err != nil {
				t.Fatal(err)
			}
			all = append(all, text)
		}
	}
}

func md5Text(s string) string {
	sum := md5.Sum([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func TestXMLObjects(t *testing.T) {
	s := serve(t)
	code, h, body := ask(t, "PUT", s.URL+"/box/a/b%20c", "hello", "Content-Type", "text/x", "Cache-Control", "no-store", "Content-Language", "pt", "X-Goog-Meta-Who", "me", "Content-MD5", md5Text("hello"))
	if code != 200 || h.Get("ETag") != fmt.Sprintf(`"%x"`, md5.Sum([]byte("hello"))) || h.Get("X-Goog-Generation") == "" || !strings.Contains(h.Get("X-Goog-Hash"), "md5="+md5Text("hello")) {
		t.Fatalf("PUT: %d %v %s", code, h, body)
	}
	etag, generation := h.Get("ETag"), h.Get("X-Goog-Generation")
	for _, method := range []string{"GET", "HEAD"} {
		code, h, body = ask(t, method, s.URL+"/box/a/b%20c", "")
		if code != 200 || h.Get("Content-Type") != "text/x" || h.Get("Content-Length") != "5" || h.Get("X-Goog-Meta-Who") != "me" || h.Get("Content-Language") != "pt" || h.Get("ETag") != etag || method == "GET" && body != "hello" {
			t.Errorf("%s: %d %v %s", method, code, h, body)
		}
	}
	if code, h, _ := ask(t, "HEAD", s.URL+"/box/a/b%20c", "", "Range", "bytes=1-2"); code != 200 || h.Get("Content-Length") != "5" {
		t.Errorf("HEAD of a range: %d %v", code, h)
	}
	later, earlier := "Wed, 01 Jan 2200 00:00:00 GMT", "Wed, 01 Jan 2020 00:00:00 GMT"
	for _, tt := range []struct {
		method, path, body string
		header             []string
		code               int
		want               string
	}{
		{"GET", "/box/a/b%20c", "", []string{"If-None-Match", etag}, 304, ""},
		{"GET", "/box/a/b%20c", "", []string{"If-None-Match", `"x", W/` + etag}, 304, ""},
		{"GET", "/box/a/b%20c", "", []string{"If-None-Match", `"x"`}, 200, "hello"},
		{"GET", "/box/a/b%20c", "", []string{"If-Match", `"x"`}, 412, "PreconditionFailed"},
		{"GET", "/box/a/b%20c", "", []string{"If-Match", etag}, 200, "hello"},
		{"GET", "/box/a/b%20c", "", []string{"If-Modified-Since", later}, 304, ""},
		{"GET", "/box/a/b%20c", "", []string{"If-Modified-Since", earlier}, 200, "hello"},
		{"GET", "/box/a/b%20c", "", []string{"If-Unmodified-Since", earlier}, 412, "PreconditionFailed"},
		{"GET", "/box/a/b%20c", "", []string{"X-Goog-If-Generation-Match", "1"}, 412, "PreconditionFailed"},
		{"GET", "/box/a/b%20c", "", []string{"X-Goog-If-Generation-Match", "one"}, 400, "InvalidArgument"},
		{"GET", "/box/a/b%20c", "", []string{"Range", "bytes=9-"}, 416, "InvalidRange"},
		{"GET", "/box/a/b%20c?acl", "", nil, 501, "NotImplemented"},
		{"GET", "/box?cors", "", nil, 501, "NotImplemented"},
		{"GET", "/box/none", "", nil, 404, "NoSuchKey"},
		{"GET", "/box/bucket", "", nil, 404, "NoSuchKey"},
		{"GET", "/nobox/none", "", nil, 404, "NoSuchBucket"},
		{"GET", "/nobox", "", nil, 404, "NoSuchBucket"},
		{"PUT", "/nobox/x", "x", nil, 404, "NoSuchBucket"},
		{"PUT", "/box/a/b%20c", "x", []string{"X-Goog-If-Generation-Match", "0"}, 412, "PreconditionFailed"},
		{"PUT", "/box/a/b%20c", "x", []string{"If-None-Match", "*"}, 412, "PreconditionFailed"},
		{"PUT", "/box/a/b%20c", "x", []string{"If-Match", etag}, 400, "x-goog-if-generation-match"},
		{"PUT", "/box/bad", "x", []string{"Content-MD5", md5Text("y")}, 400, "BadDigest"},
		{"PUT", "/box/bad", "x", []string{"Content-MD5", "short"}, 400, "InvalidArgument"},
		{"PUT", "/box/bad", "x", []string{"X-Goog-Hash", "crc32c=AAAAAA=="}, 400, "BadDigest"},
		{"PUT", "/box/bad", "x", []string{"X-Goog-Storage-Class", "GOLD"}, 400, "GOLD"},
		{"PUT", "/box/bad", "x", []string{"X-Goog-Encryption-Algorithm", "AES256"}, 400, "x-goog-encryption-algorithm"},
		{"PUT", "/box/bad", "", []string{"X-Amz-Copy-Source", "/box/x"}, 400, "x-goog-"},
		{"PUT", "/box/bad", "1\r\nx\r\n0\r\n\r\n", []string{"X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}, 400, "as they are"},
		{"PUT", "/box/bad", "x", []string{"X-Goog-Acl", "public-read"}, 400, "public-read"},
		{"PUT", "/box/bad", "x", []string{"X-Goog-Custom-Time", "2026-01-01T00:00:00Z"}, 400, "custom time"},
		{"GET", "/box/bad", "", nil, 404, "NoSuchKey"},
		{"POST", "/box/x", "", nil, 400, "x-goog-resumable"},
		{"DELETE", "/box/a/b%20c", "", []string{"X-Goog-If-Generation-Match", "1"}, 412, "PreconditionFailed"},
		{"DELETE", "/box/none", "", nil, 404, "NoSuchKey"},
		{"DELETE", "/box", "", nil, 409, "BucketNotEmpty"},
		{"PUT", "/box", "", nil, 409, "BucketNameUnavailable"},
		{"PATCH", "/box/x", "", nil, 405, "MethodNotAllowed"},
		{"GET", "/box?location", "", nil, 200, "LocationConstraint"},
		{"GET", "/box?versioning", "", nil, 200, "VersioningConfiguration"},
		{"PUT", "/second", "<CreateBucketConfiguration><LocationConstraint>us-east1</LocationConstraint></CreateBucketConfiguration>", nil, 200, ""},
		{"GET", "/second?location", "", nil, 200, "US-EAST1"},
		{"PUT", "/third", "<Create", nil, 400, "MalformedXMLPayload"},
		{"DELETE", "/second", "", nil, 204, ""},
		{"HEAD", "/second", "", nil, 404, ""},
		{"HEAD", "/box", "", nil, 200, ""},
	} {
		code, _, body := ask(t, tt.method, s.URL+tt.path, tt.body, tt.header...)
		if code != tt.code || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s %v: %d %s, want %d and %q", tt.method, tt.path, tt.header, code, body, tt.code, tt.want)
		}
	}

	code, h, body = ask(t, "PUT", s.URL+"/box/copy", "", "X-Goog-Copy-Source", "/box/a%2Fb%20c", "X-Goog-Copy-Source-If-Generation-Match", generation)
	if code != 200 || element(t, body, "ETag") != etag {
		t.Errorf("copy: %d %v %s", code, h, body)
	}
	if _, h, body := ask(t, "GET", s.URL+"/box/copy", ""); body != "hello" || h.Get("X-Goog-Meta-Who") != "me" {
		t.Errorf("the copy is %q, %v", body, h)
	}
	ask(t, "PUT", s.URL+"/box/copy", "", "X-Goog-Copy-Source", "box/a%2Fb%20c", "X-Goog-Metadata-Directive", "REPLACE", "Content-Type", "text/y")
	if _, h, body := ask(t, "GET", s.URL+"/box/copy", ""); body != "hello" || h.Get("X-Goog-Meta-Who") != "" || h.Get("Content-Type") != "text/y" {
		t.Errorf("the copy with other facts is %q, %v", body, h)
	}
	ask(t, "PUT", s.URL+"/box/cold", "", "X-Goog-Copy-Source", "/box/a%2Fb%20c", "X-Goog-Storage-Class", "coldline")
	if code, _, body := ask(t, "POST", s.URL+"/storage/v1/b/box/o/cold/rewriteTo/b/box/o/colder", `{"storageClass":"ARCHIVE"}`); code != 200 || !strings.Contains(body, `"storageClass":"ARCHIVE"`) || !strings.Contains(body, `"who":"me"`) {
		t.Errorf("a copy of another class: %d %s", code, body)
	}
	if _, h, body := ask(t, "GET", s.URL+"/box/cold", ""); body != "hello" || h.Get("X-Goog-Storage-Class") != "COLDLINE" || h.Get("X-Goog-Meta-Who") != "me" {
		t.Errorf("a copy of another class: %q, %v", body, h)
	}
	if code, _, body := ask(t, "PUT", s.URL+"/box/copy", "", "X-Goog-Copy-Source", "/box/a%2Fb%20c", "X-Goog-Copy-Source-Generation", "1"); code != 404 {
		t.Errorf("copy of a generation that is not there: %d %s", code, body)
	}
	if code, _, body := ask(t, "PUT", s.URL+"/box/whole?compose", "<ComposeRequest><Component><Name>copy</Name></Component><Component><Name>a/b c</Name><IfGenerationMatch>"+generation+"</IfGenerationMatch></Component></ComposeRequest>"); code != 200 {
		t.Errorf("compose: %d %s", code, body)
	}
	if _, h, body := ask(t, "GET", s.URL+"/box/whole", ""); body != "hellohello" || h.Get("X-Goog-Component-Count") != "2" || strings.Contains(h.Get("X-Goog-Hash"), "md5") {
		t.Errorf("the composite is %q, %v", body, h)
	}
	code, _, body = ask(t, "POST", s.URL+"/box?delete", "<Delete><Object><Key>whole</Key></Object><Object><Key>none</Key></Object><Object><Key>copy</Key><VersionId>x</VersionId></Object></Delete>")
	if code != 200 || strings.Join(elements(t, body, "Key"), " ") != "whole none copy" || element(t, body, "Code") != "InvalidArgument" {
		t.Errorf("deleting many: %d %s", code, body)
	}
	if code, _, _ := ask(t, "HEAD", s.URL+"/box/whole", ""); code != 404 {
		t.Errorf("after deleting many: %d", code)
	}
}

func TestXMLLists(t *testing.T) {
	s := serve(t)
	names := []string{"a", "d/1", "d/2", "e/1", "é", "z&<"}
	for _, n := range names {
		if code, _, body := ask(t, "PUT", s.URL+"/box/"+url.PathEscape(n), "x"); code != 200 {
			t.Fatalf("%d %s", code, body)
		}
	}
	if _, _, body := ask(t, "GET", s.URL+"/box", ""); strings.Join(elements(t, body, "Key"), " ") != "a d/1 d/2 e/1 z&< é" {
		t.Errorf("all: %s", body)
	}
	if _, _, body := ask(t, "GET", s.URL+"/box?prefix=%C3%A9&encoding-type=url", ""); element(t, body, "Key") != "%C3%A9" {
		t.Errorf("escaped: %s", body)
	}
	// Page by page, in both forms, everything comes once.
	for _, form := range []struct{ query, next, send string }{
		{"delimiter=%2F&max-keys=2", "NextMarker", "marker"},
		{"delimiter=%2F&max-keys=1", "NextMarker", "marker"},
		{"list-type=2&delimiter=%2F&max-keys=2", "NextContinuationToken", "continuation-token"},
		{"list-type=2&delimiter=%2F&max-keys=1", "NextContinuationToken", "continuation-token"},
	} {
		var keys, prefixes []string
		from, pages := "", 0
		for pages < 10 {
			query := form.query
			if from != "" {
				query += "&" + form.send + "=" + url.QueryEscape(from)
			}
			_, _, body := ask(t, "GET", s.URL+"/box?"+query, "")
			pages++
			keys = append(keys, elements(t, body, "Key")...)
			for i, p := range elements(t, body, "Prefix") {
				if i > 0 && p != "" || p != "" { // the first is the question's own
					prefixes = append(prefixes, p)
				}
			}
			if element(t, body, "IsTruncated") == "false" {
				break
			}
			from = element(t, body, form.next)
		}
		if strings.Join(keys, " ") != "a z&< é" || strings.Join(prefixes, " ") != "d/ e/" {
			t.Errorf("%s: keys %q, prefixes %q in %d pages", form.query, keys, prefixes, pages)
		}
	}
	_, _, body := ask(t, "GET", s.URL+"/box?list-type=2&start-after=d/1&max-keys=1", "")
	if element(t, body, "Key") != "d/2" || element(t, body, "KeyCount") != "1" || element(t, body, "StartAfter") != "d/1" {
		t.Errorf("start-after: %s", body)
	}
	for query, want := range map[string]string{"max-keys=-1": "400", "max-keys=x": "400", "list-type=3": "400", "encoding-type=utf": "400", "list-type=2&continuation-token=x": "400", "max-keys=0": "200"} {
		code, _, body := ask(t, "GET", s.URL+"/box?"+query, "")
		if fmt.Sprint(code) != want || len(elements(t, body, "Key")) != 0 {
			t.Errorf("%s: %d %s", query, code, body)
		}
	}

	ask(t, "PATCH", s.URL+"/storage/v1/b/box", `{"versioning":{"enabled":true}}`)
	ask(t, "PUT", s.URL+"/box/a", "xx")
	ask(t, "DELETE", s.URL+"/box/d%2F1", "")
	var seen []string
	marker, generation := "", ""
	for range 10 {
		_, _, body := ask(t, "GET", s.URL+"/box?versions&max-keys=1&marker="+url.QueryEscape(marker)+"&generation-marker="+generation, "")
		latest := elements(t, body, "IsLatest")
		for i, k := range elements(t, body, "Key") {
			seen = append(seen, k+":"+latest[i])
		}
		if element(t, body, "IsTruncated") == "false" {
			break
		}
		marker, generation = element(t, body, "NextMarker"), element(t, body, "NextGenerationMarker")
	}
	if got := strings.Join(seen, " "); got != "a:false a:true d/1:false d/2:true e/1:true z&<:true é:true" {
		t.Errorf("versions: %s", got)
	}
}

func TestXMLUploadsInParts(t *testing.T) {
	s := serve(t)
	start := func(path string) string {
		t.Helper()
		code, _, body := ask(t, "POST", s.URL+path+"?uploads", "", "Content-Type", "text/x", "X-Goog-Meta-Who", "me")
		if code != 200 {
			t.Fatalf("%d %s", code, body)
		}
		return element(t, body, "UploadId")
	}
	id := start("/box/big/one")
	at := s.URL + "/box/big/one?uploadId=" + id
	tags := map[int]string{}
	for _, p := range []struct {
		n    int
		body string
	}{{2, "world"}, {1, "HELLO "}, {1, "hello "}, {3, "unused"}} {
		code, h, body := ask(t, "PUT", fmt.Sprint(at, "&partNumber=", p.n), p.body, "Content-MD5", md5Text(p.body))
		if code != 200 || !strings.Contains(h.Get("X-Goog-Hash"), "md5="+md5Text(p.body)) || !strings.Contains(h.Get("X-Goog-Hash"), "crc32c=") {
			t.Fatalf("part %d: %d %v %s", p.n, code, h, body)
		}
		tags[p.n] = h.Get("ETag")
	}
	list := func(numbers ...int) string {
		b := "<CompleteMultipartUpload>"
		for _, n := range numbers {
			b += fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", n, strings.ReplaceAll(tags[n], `"`, "&quot;"))
		}
		return b + "</CompleteMultipartUpload>"
	}
	_, _, body := ask(t, "GET", at+"&max-parts=2", "")
	if strings.Join(elements(t, body, "PartNumber"), " ") != "1 2" || element(t, body, "IsTruncated") != "true" || elements(t, body, "ETag")[0] != tags[1] || strings.Join(elements(t, body, "Size"), " ") != "6 5" {
		t.Errorf("parts: %s", body)
	}
	if _, _, body = ask(t, "GET", at+"&part-number-marker="+element(t, body, "NextPartNumberMarker"), ""); element(t, body, "PartNumber") != "3" {
		t.Errorf("parts, second page: %s", body)
	}
	for _, tt := range []struct {
		method, url, body string
		header            []string
		code              int
		want              string
	}{
		{"PUT", at + "&partNumber=0", "x", nil, 400, "InvalidArgument"},
		{"PUT", at + "&partNumber=10001", "x", nil, 400, "InvalidArgument"},
		{"PUT", at, "x", nil, 400, "InvalidArgument"},
		{"PUT", at + "&partNumber=4", "x", []string{"Content-MD5", md5Text("y")}, 400, "BadDigest"},
		{"PUT", at + "&partNumber=4", "x", []string{"X-Goog-Copy-Source", "/box/x"}, 501, "NotImplemented"},
		{"PUT", s.URL + "/box/other?partNumber=1&uploadId=" + id, "x", nil, 404, "NoSuchUpload"},
		{"PUT", s.URL + "/box/big/one?partNumber=1&uploadId=none", "x", nil, 404, "NoSuchUpload"},
		{"POST", s.URL + "/box/other?uploadId=" + id, list(1), nil, 404, "NoSuchUpload"},
		{"DELETE", s.URL + "/box/other?uploadId=" + id, "", nil, 404, "NoSuchUpload"},
		{"POST", at, list(2, 1), nil, 400, "InvalidPartOrder"},
		{"POST", at, list(1, 9), nil, 400, "InvalidPart"},
		{"POST", at, strings.Replace(list(1), tags[1][1:5], "0000", 1), nil, 400, "InvalidPart"},
		{"POST", at, list(), nil, 400, "MalformedXMLPayload"},
		{"POST", at, "<CompleteMultipart", nil, 400, "MalformedXMLPayload"},
		{"POST", at, list(1, 2), nil, 200, "CompleteMultipartUploadResult"},
		{"POST", at, list(1, 2), nil, 200, "CompleteMultipartUploadResult"}, // asked again, as after a lost answer
		{"POST", s.URL + "/box/other?uploadId=" + id, list(1, 2), nil, 404, "NoSuchUpload"},
		{"PUT", at + "&partNumber=1", "x", nil, 404, "NoSuchUpload"},
		{"GET", at, "", nil, 404, "NoSuchUpload"},
	} {
		code, _, body := ask(t, tt.method, tt.url, tt.body, tt.header...)
		if code != tt.code || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s %s: %d %s, want %d and %q", tt.method, tt.url, tt.body, code, body, tt.code, tt.want)
		}
	}
	if _, h, body := ask(t, "GET", s.URL+"/box/big/one", ""); body != "hello world" || h.Get("Content-Type") != "text/x" || h.Get("X-Goog-Meta-Who") != "me" {
		t.Errorf("the object is %q, %v", body, h)
	}

	ids := map[string]string{}
	for _, n := range []string{"a", "dir/x", "dir/y", "z"} {
		ids[n] = start("/box/" + n)
	}
	if _, _, body := ask(t, "GET", s.URL+"/box?uploads&delimiter=/", ""); strings.Join(elements(t, body, "Key"), " ") != "a z" || !strings.Contains(body, "<CommonPrefixes><Prefix>dir/</Prefix></CommonPrefixes>") {
		t.Errorf("uploads: %s", body)
	}
	var seen []string
	key, upload := "", ""
	for range 10 {
		_, _, body := ask(t, "GET", s.URL+"/box?uploads&max-uploads=1&key-marker="+url.QueryEscape(key)+"&upload-id-marker="+upload, "")
		seen = append(seen, elements(t, body, "Key")...)
		if element(t, body, "IsTruncated") == "false" {
			break
		}
		key, upload = element(t, body, "NextKeyMarker"), element(t, body, "NextUploadIdMarker")
	}
	if strings.Join(seen, " ") != "a dir/x dir/y z" {
		t.Errorf("uploads page by page: %q", seen)
	}
	if code, _, _ := ask(t, "DELETE", s.URL+"/box/a?uploadId="+ids["a"], ""); code != 204 {
		t.Errorf("abort: %d", code)
	}
	if code, _, body := ask(t, "DELETE", s.URL+"/box/a?uploadId="+ids["a"], ""); code != 404 || element(t, body, "Code") != "NoSuchUpload" {
		t.Errorf("abort again: %d %s", code, body)
	}
}

func TestXMLResumable(t *testing.T) {
	s := serve(t)
	code, h, body := ask(t, "POST", s.URL+"/box/r%2Fs", "", "X-Goog-Resumable", "start", "Content-Type", "text/x")
	at := h.Get("Location")
	if code != 201 || !strings.HasPrefix(at, s.URL+"/box/r%2Fs?") {
		t.Fatalf("%d %s %s", code, at, body)
	}
	if code, h, _ := ask(t, "PUT", at, "hel", "Content-Range", "bytes 0-2/*"); code != 308 || h.Get("Range") != "bytes=0-2" {
		t.Errorf("first chunk: %d %v", code, h)
	}
	if code, h, _ := ask(t, "PUT", at, "", "Content-Range", "bytes */*"); code != 308 || h.Get("Range") != "bytes=0-2" {
		t.Errorf("status: %d %v", code, h)
	}
	if code, h, body := ask(t, "PUT", at, "lo", "Content-Range", "bytes 3-4/5"); code != 200 || h.Get("X-Goog-Generation") == "" || body != "" {
		t.Errorf("last chunk: %d %v %s", code, h, body)
	}
	if _, h, body := ask(t, "GET", s.URL+"/box/r/s", ""); body != "hello" || h.Get("Content-Type") != "text/x" {
		t.Errorf("%q %v", body, h)
	}
	_, h, _ = ask(t, "POST", s.URL+"/box/r", "", "X-Goog-Resumable", "start")
	if code, _, _ := ask(t, "DELETE", h.Get("Location"), ""); code != 499 {
		t.Errorf("cancel: %d", code)
	}
}

// TestAChecksumOfTheLastChunk: clients that read their source once know the
// checksum only then.
func TestAChecksumOfTheLastChunk(t *testing.T) {
	s := serve(t)
	for sum, want := range map[string]int{"md5=" + md5Text("hello"): 200, "md5=" + md5Text("other"): 400, "crc32c=AAAAAA==": 400} {
		_, h, _ := ask(t, "POST", s.URL+"/upload/storage/v1/b/box/o?uploadType=resumable&name=r", "")
		at := h.Get("Location")
		ask(t, "PUT", at, "hel", "Content-Range", "bytes 0-2/*")
		if code, _, body := ask(t, "PUT", at, "lo!", "Content-Range", "bytes 3-4/5"); code != 400 {
			t.Errorf("a body that is longer than its range: %d %s", code, body)
		}
		if code, _, body := ask(t, "PUT", at, "lo", "Content-Range", "bytes 3-4/5", "X-Goog-Hash", sum); code != want {
			t.Errorf("%s: %d %s", sum, code, body)
		}
		if code, _, _ := ask(t, "GET", s.URL+"/box/r", ""); code != map[int]int{200: 200, 400: 404}[want] {
			t.Errorf("%s: after it %d", sum, code)
		}
		ask(t, "DELETE", s.URL+"/box/r", "")
	}
}

func zipped(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestGzip: what is stored packed is unpacked for whoever does not take it so.
func TestGzip(t *testing.T) {
	s := serve(t)
	packed := zipped(t, "hello hello hello")
	ask(t, "PUT", s.URL+"/box/z", packed, "Content-Encoding", "gzip", "Content-Type", "text/plain")
	ask(t, "PUT", s.URL+"/box/kept", packed, "Content-Encoding", "gzip", "Cache-Control", "no-transform")
	for _, tt := range []struct {
		name, accept, rng string
		code              int
		encoding, want    string
	}{
		{"z", "gzip", "", 200, "gzip", packed},
		{"z", "deflate, gzip;q=0.5", "", 200, "gzip", packed},
		{"z", "identity", "", 200, "", "hello hello hello"},
		{"z", "gzip;q=0", "", 200, "", "hello hello hello"},
		{"z", "identity", "bytes=0-3", 200, "", "hello hello hello"},
		{"z", "gzip", "bytes=1-3", 206, "gzip", packed[1:4]},
		{"kept", "identity", "", 200, "gzip", packed},
	} {
		header := []string{"Accept-Encoding", tt.accept}
		if tt.rng != "" {
			header = append(header, "Range", tt.rng)
		}
		for _, path := range []string{"/box/" + tt.name, "/storage/v1/b/box/o/" + tt.name + "?alt=media"} {
			code, h, body := ask(t, "GET", s.URL+path, "", header...)
			if code != tt.code || h.Get("Content-Encoding") != tt.encoding || body != tt.want || h.Get("X-Goog-Stored-Content-Encoding") != "gzip" {
				t.Errorf("%s %v: %d %v %q", path, header, code, h, body)
			}
		}
	}
	if code, _, body := ask(t, "PUT", s.URL+"/box/not", "no gzip", "Content-Encoding", "gzip"); code != 200 {
		t.Errorf("%d %s", code, body)
	}
	if code, _, _ := ask(t, "GET", s.URL+"/box/not", "", "Accept-Encoding", "identity"); code != 400 {
		t.Errorf("content that is not what it says: %d", code)
	}
}

// TestWhatIsRefused: what would only be pretended is refused in words.
func TestWhatIsRefused(t *testing.T) {
	s := serve(t)
	ask(t, "PUT", s.URL+"/box/x", "x")
	for _, tt := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"POST", "/storage/v1/b/box/o/x/restore?generation=1", "", 400, "soft deletion"},
		{"GET", "/storage/v1/b/box/o/x?softDeleted=true", "", 400, "soft deletion"},
		{"POST", "/storage/v1/b/box/restore", "", 400, "keep versions"},
		{"GET", "/storage/v1/b/box/managedFolders", "", 200, "storage#managedFolders"},
		{"POST", "/storage/v1/b/box/managedFolders", `{"name":"a/"}`, 400, "managedFolders are not available"},
		{"GET", "/storage/v1/b/box/managedFolders/a%2F", "", 404, "notFound"},
		{"GET", "/storage/v1/b/box/notificationConfigs", "", 200, "storage#notificationConfigs"},
		{"POST", "/storage/v1/b/box/notificationConfigs", "{}", 400, "not available"},
		{"GET", "/storage/v1/b/box/acl", "", 400, "uniform bucket-level access"},
		{"GET", "/storage/v1/b/box/o/x/acl", "", 400, "uniform bucket-level access"},
		{"GET", "/storage/v1/b/box/iam", "", 200, "storage#policy"},
		{"GET", "/storage/v1/b/box/o/x/iam", "", 200, "storage#policy"},
		{"PUT", "/storage/v1/b/box/iam", `{"bindings":[]}`, 200, "storage#policy"},
		{"PUT", "/storage/v1/b/box/iam", `{"bindings":[{"role":"r","members":["m"]}]}`, 400, "access policies are not available"},
		{"POST", "/upload/storage/v1/b/box/o?uploadType=media&name=y&predefinedAcl=publicRead", "y", 400, "uniform bucket-level access"},
		{"POST", "/upload/storage/v1/b/box/o?uploadType=media&name=y&kmsKeyName=k", "y", 400, "kmsKeyName"},
		{"PATCH", "/storage/v1/b/box/o/x", `{"temporaryHold":true}`, 400, "temporaryHold"},
		{"PATCH", "/storage/v1/b/box/o/x", `{"temporaryHold":false,"customTime":null,"contentType":"a/b"}`, 200, "a/b"},
		{"POST", "/upload/storage/v1/b/box/o?uploadType=resumable&name=y", `{"customTime":"2026-01-01T00:00:00Z"}`, 400, "customTime"},
		{"POST", "/upload/storage/v1/b/box/o?uploadType=resumable&name=y", `{"storageClass":"GOLD"}`, 400, "GOLD"},
		{"POST", "/storage/v1/b/box/o/x/rewriteTo/b/box/o/y?rewriteToken=t", "{}", 400, "rewriteToken"},
		{"GET", "/box/y", "", 404, "NoSuchKey"},
		{"GET", "/storage/v1/b/box/iam/testPermissions?permissions=a&permissions=b", "", 200, `["a","b"]`},
	} {
		code, _, body := ask(t, tt.method, s.URL+tt.path, tt.body)
		if code != tt.code || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s: %d %s, want %d and %q", tt.method, tt.path, code, body, tt.code, tt.want)
		}
	}
}

// TestComposeWithTheFirstSourcesChecksum is what gcloud sends: it describes the
// destination with the facts of the first source.
func TestComposeWithTheFirstSourcesChecksum(t *testing.T) {
	s := serve(t)
	ask(t, "PUT", s.URL+"/box/1", "hello")
	ask(t, "PUT", s.URL+"/box/2", "world")
	compose := func(crc string) int {
		code, _, _ := ask(t, "POST", s.URL+"/storage/v1/b/box/o/whole/compose", `{"destination":{"crc32c":"`+crc+`","md5Hash":"`+md5Text("hello")+`"},"sourceObjects":[{"name":"1"},{"name":"2"}]}`)
		return code
	}
	for crc, want := range map[string]int{"mnG7TA==": 200, "AAAAAA==": 400} { // of hello; of something else
		if code := compose(crc); code != want {
			t.Errorf("crc32c %s: %d, want %d", crc, code, want)
		}
	}
}

func FuzzXMLRequests(f *testing.F) {
	f.Add("GET", "box", "list-type=2&max-keys=1&delimiter=/", "")
	f.Add("GET", "box", "versions&marker=a&generation-marker=1&max-keys=1", "")
	f.Add("GET", "box", "uploads&prefix=a&delimiter=/&key-marker=b", "")
	f.Add("POST", "box/x", "uploadId=none", "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag></Part></CompleteMultipartUpload>")
	f.Add("PUT", "box/x", "compose", "<ComposeRequest><Component><Name>a</Name></Component></ComposeRequest>")
	f.Add("POST", "box", "delete", "<Delete><Object><Key>a</Key></Object></Delete>")
	f.Add("PUT", "other", "", "<CreateBucketConfiguration><LocationConstraint>x</LocationConstraint></CreateBucketConfiguration>")
	s := serve(f)
	ask(f, "PUT", s.URL+"/box/a", "x")
	ask(f, "PUT", s.URL+"/box/d/b", "x")
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		switch method {
		case "GET", "PUT", "POST":
		default:
			return
		}
		r := httptest.NewRequest(method, "/", strings.NewReader(body))
		r.URL.Path, r.URL.RawQuery = "/"+path, query
		rec := httptest.NewRecorder()
		s.Config.Handler.ServeHTTP(rec, r)
		if rec.Code >= 500 && rec.Code != 501 {
			t.Errorf("%s /%s?%s %q: %d %s", method, path, query, body, rec.Code, rec.Body)
		}
		if strings.HasPrefix(rec.Header().Get("Content-Type"), "application/xml") {
			if err := xml.Unmarshal(rec.Body.Bytes(), new(struct{ XMLName xml.Name })); err != nil {
				t.Errorf("the answer is no XML: %v\n%s", err, rec.Body)
			}
		}
	})
}
