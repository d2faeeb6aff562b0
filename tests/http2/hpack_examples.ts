/** The examples of RFC 7541, appendix C.3 to C.6: blocks of one connection in their order. */

export interface HpackExample {
  readonly name: string;
  readonly tableSize: number;
  readonly blocks: readonly {
    readonly bytes: string;
    readonly fields: readonly (readonly [name: string, value: string])[];
    /** Bytes of the dynamic table behind it. */
    readonly tableSize: number;
  }[];
}

const FIRST_REQUEST = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "www.example.com"],
] as const;
const SECOND_REQUEST = [...FIRST_REQUEST, ["cache-control", "no-cache"]] as const;
const THIRD_REQUEST = [
  [":method", "GET"],
  [":scheme", "https"],
  [":path", "/index.html"],
  [":authority", "www.example.com"],
  ["custom-key", "custom-value"],
] as const;

const FIRST_RESPONSE = [
  [":status", "302"],
  ["cache-control", "private"],
  ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
  ["location", "https://www.example.com"],
] as const;
const SECOND_RESPONSE = [[":status", "307"], ...FIRST_RESPONSE.slice(1)] as const;
const THIRD_RESPONSE = [
  [":status", "200"],
  ["cache-control", "private"],
  ["date", "Mon, 21 Oct 2013 20:13:22 GMT"],
  ["location", "https://www.example.com"],
  ["content-encoding", "gzip"],
  ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
] as const;

const REQUEST_SIZES = [57, 110, 164] as const;
const RESPONSE_SIZES = [222, 222, 215] as const;

export const HPACK_EXAMPLES: readonly HpackExample[] = [
  {
    name: "C.3, requests without Huffman coding",
    tableSize: 4096,
    blocks: [
      {
        bytes: "828684410f7777772e6578616d706c652e636f6d",
        fields: FIRST_REQUEST,
        tableSize: REQUEST_SIZES[0],
      },
      {
        bytes: "828684be58086e6f2d6361636865",
        fields: SECOND_REQUEST,
        tableSize: REQUEST_SIZES[1],
      },
      {
        bytes: "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        fields: THIRD_REQUEST,
        tableSize: REQUEST_SIZES[2],
      },
    ],
  },
  {
    name: "C.4, requests with Huffman coding",
    tableSize: 4096,
    blocks: [
      {
        bytes: "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        fields: FIRST_REQUEST,
        tableSize: REQUEST_SIZES[0],
      },
      { bytes: "828684be5886a8eb10649cbf", fields: SECOND_REQUEST, tableSize: REQUEST_SIZES[1] },
      {
        bytes: "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        fields: THIRD_REQUEST,
        tableSize: REQUEST_SIZES[2],
      },
    ],
  },
  {
    name: "C.5, responses without Huffman coding",
    tableSize: 256,
    blocks: [
      {
        bytes: "4803333032580770726976617465611d4d6f6e2c203231204f63742032303133" +
          "2032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d70" +
          "6c652e636f6d",
        fields: FIRST_RESPONSE,
        tableSize: RESPONSE_SIZES[0],
      },
      { bytes: "4803333037c1c0bf", fields: SECOND_RESPONSE, tableSize: RESPONSE_SIZES[1] },
      {
        bytes: "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d" +
          "54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f5049" +
          "5541585157454f49553b206d61782d6167653d333630303b2076657273696f6e" +
          "3d31",
        fields: THIRD_RESPONSE,
        tableSize: RESPONSE_SIZES[2],
      },
    ],
  },
  {
    name: "C.6, responses with Huffman coding",
    tableSize: 256,
    blocks: [
      {
        bytes: "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a6" +
          "2d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        fields: FIRST_RESPONSE,
        tableSize: RESPONSE_SIZES[0],
      },
      { bytes: "4883640effc1c0bf", fields: SECOND_RESPONSE, tableSize: RESPONSE_SIZES[1] },
      {
        bytes: "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab" +
          "77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f" +
          "9587316065c003ed4ee5b1063d5007",
        fields: THIRD_RESPONSE,
        tableSize: RESPONSE_SIZES[2],
      },
    ],
  },
];

export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function toHex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
