#include "compute/json_check.h"

#include <simdjson.h>

namespace shardmill::compute {

bool is_json(std::string_view text) {
    simdjson::dom::parser parser;
    return parser.parse(text.data(), text.size()).error() == simdjson::SUCCESS;
}

}  // namespace shardmill::compute
