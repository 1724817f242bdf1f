# Places an order over REST as a customer of its own, and cancels it again. Stops at the first answer that is not right.
set -eu

call() { # WANTED METHOD PATH BODY [curl's options]: prints the answer's body, when its status is one of WANTED.
    wanted=$1 method=$2 path=$3 body=$4
    shift 4
    [ -z "$body" ] || set -- "$@" --header 'Content-Type: application/json' --data-raw "$body"
    answer=$(curl --silent --show-error --max-time 10 --retry 3 --retry-connrefused --request "$method" \
        --write-out '\n%{http_code}' "$@" "$API/api/v1$path")
    status=${answer##*
}
    body=${answer%
*}
    echo "$method $path: $status" >&2
    case " $wanted " in
    *" $status "*) printf '%s' "$body" ;;
    *)
        # A success that was not expected may have a token in it, and logs are kept.
        case $status in 2*) body= ;; esac
        echo "expected was $wanted; the answer: $body" >&2
        exit 1
        ;;
    esac
}
field() { # NAME JSON: the text of that name, the last where there are several.
    printf '%s' "$2" | sed -E "s/.*\"$1\": *\"([^\"]*)\".*/\1/"
}
as_text() { # A JSON string of $1.
    printf '"%s"' "$(printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g')"
}
log_in() { # EMAIL PASSWORD: sets `bearer`.
    session=$(call 201 POST /sessions "{\"email\": $(as_text "$1"), \"password\": $(as_text "$2")}")
    bearer="Authorization: Bearer $(field accessToken "$session")"
}
now=$(date +%s)

if [ -n "${ADMIN_PASSWORD:-}" ]; then
    # A fresh installation for development has no product. The second time it is there.
    log_in "$ADMIN_EMAIL" "$ADMIN_PASSWORD"
    call "201 409" POST /products "{\"sku\": \"$SKU\", \"name\": \"Helm test\", \"category\": \"test\",
        \"price\": {\"amount\": 100, \"currency\": \"$CURRENCY\"}}" --header "$bearer" > /dev/null
    call 201 POST "/products/$SKU/stock-adjustments" '{"delta": 1, "reason": "helm test"}' \
        --header "$bearer" --header "Idempotency-Key: helm-test-$now" > /dev/null
fi

call "201 409" POST /users "{\"name\": \"Helm test\", \"email\": $(as_text "$EMAIL"),
    \"password\": $(as_text "$PASSWORD")}" > /dev/null
log_in "$EMAIL" "$PASSWORD"
line="{\"lines\": [{\"sku\": \"$SKU\", \"quantity\": 1}]}"
order=$(call 201 POST /orders "$line" --header "$bearer" --header "Idempotency-Key: helm-test-$now")
id=$(field id "$order")
# The same request again is the same order.
again=$(call 201 POST /orders "$line" --header "$bearer" --header "Idempotency-Key: helm-test-$now")
[ "$id" = "$(field id "$again")" ] || { echo "one key has placed two orders: $order $again" >&2; exit 1; }
call 200 GET "/orders/$id" "" --header "$bearer" > /dev/null
call 200 POST "/orders/$id/cancel" "" --header "$bearer" --header "Idempotency-Key: helm-test-$now-cancel" > /dev/null
echo "order $id was placed, read and cancelled"
